"""AudioSet: lists, missing clips, errors, shards, and tiny training."""

import logging
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import torch
from checkpoints import hf_config
from layouts import truncated_wav
from layouts_audioset import CLIPS, FILES, LABELS, NAMES, make_audioset, ytid
from method_files import ROOT
from running import assert_alike, result_of, torchrun, weights_of
from speechbrain_petl import (
    AST,
    AudioClassifier,
    InputError,
    NormLinear,
    PETLBrain,
)
from speechbrain_petl.data.clips import NO_LABEL, ClipDataset, write_clips
from tiny_runs import TINY, load_prepare, methods_of, train
from transformers import ASTForAudioClassification

NAME = "AudioSet"
MISSING = {ytid("balanced", 2), ytid("eval", 1)}
SMALL = ["--valid_clips=5", "--average=2", "--epochs=2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set, with two clips that are gone."""
    return make_audioset(tmp_path_factory.mktemp("data"), missing=MISSING)


@pytest.fixture(scope="module")
def shards(data, tmp_path_factory):
    """The same, packed."""
    folder = tmp_path_factory.mktemp("packed")
    pack_module().pack(str(data), str(folder), ["balanced", "eval"], clips=4)
    return folder


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_audioset


def pack_module():
    load_prepare(NAME)
    return sys.modules["pack"]


def rows_of(path):
    """File name and labels of each clip of a table."""
    return {
        row["file"].decode().rsplit("/", 1)[1]: [
            int(label) for label in row["labels"] if label != NO_LABEL
        ]
        for row in np.load(path)
    }


@pytest.mark.parametrize("train_set", ["balanced", "unbalanced", "full"])
def test_splits(data, prepare, tmp_path, train_set):
    """Every clip that is there is in one split, with its labels."""
    tables = prepare(str(data), str(tmp_path), None, train_set, valid_clips=5)
    splits = {split: rows_of(path) for split, path in tables.items()}
    lists = ["balanced", "unbalanced"] if train_set == "full" else [train_set]
    clips = sum(CLIPS[name] for name in lists) - ("balanced" in lists)
    assert len(splits["valid"]) == 5 and len(splits["train"]) == clips - 5
    assert len(splits["test"]) == CLIPS["eval"] - 1
    names = [name for split in splits.values() for name in split]
    assert len(set(names)) == len(names)
    assert splits["test"]["Y-eva0000000.wav"] == [0]
    assert splits["test"]["_eva0000007.flac"] == [0, 3]


def test_deterministic_and_kept(data, prepare, tmp_path, caplog):
    """The same bytes each time; not looked for again."""
    first = prepare(str(data), str(tmp_path / "1"), valid_clips=5)
    for place in ("1", "2"):
        again = prepare(str(data), str(tmp_path / place), valid_clips=5)
        for split, path in first.items():
            assert open(path, "rb").read() == open(again[split], "rb").read()
    assert "Delete" in caplog.text and str(tmp_path / "1") in caplog.text


def test_balanced_sampling(data, prepare, tmp_path):
    """From files; test_stream.py has the same of shards."""
    table = prepare(str(data), str(tmp_path), valid_clips=0)["train"]
    clips = ClipDataset(table, len(LABELS), samples=160)
    make_sampler = sys.modules["train"].AudioSetBrain.make_sampler
    options = SimpleNamespace(balance=True, clips_per_epoch=20_000)
    brain = SimpleNamespace(hparams=options)
    drawn = np.bincount(list(make_sampler(brain, clips, seed=1)))
    weights = clips.weights()
    assert weights.max() > 1.5 * weights.min()
    np.testing.assert_allclose(
        drawn / drawn.sum(), weights / weights.sum(), atol=0.01
    )
    options.clips_per_epoch = None
    assert len(make_sampler(brain, clips, seed=1)) == len(clips)


def test_killed_while_it_wrote(data, prepare, tmp_path, monkeypatch):
    """The tables of other options are not taken for those of the stamp."""
    options = (str(data), str(tmp_path), None, "balanced")
    first = prepare(*options, 5)["train"]
    whole = open(first, "rb").read()
    module, write = sys.modules["prepare"], write_clips

    def killed(path, *args):
        write(path, *args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_clips", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(*options, 0)
    assert open(first, "rb").read() != whole
    assert open(prepare(*options, 5)["train"], "rb").read() == whole
    assert not list(tmp_path.glob("*.part"))


WILD = {  # names as downloaders write them
    "-abcdefghi0.wav": "-abcdefghi0",
    "Y-abcdefghi1.wav": "-abcdefghi1",
    "Yabcdefghi2.flac": "Yabcdefghi2",
    "Yabcdefgh_3_0.000.wav": "Yabcdefgh_3",
    "abcdefghij4_000.wav": "abcdefghij4",
    "Y_bcdefghij5_30.000_40.000.wav": "_bcdefghij5",
    "abcdefgh_06_420000.mp3": "abcdefgh_06",
    "Yabcdefghij7_30.wav": "abcdefghij7",
}


def test_names_in_the_wild(tmp_path):
    """With a Y or not, with the start and the end or not."""
    load_prepare(NAME)
    for name in (*WILD, "abcdefghij.wav", "abcdefghijkl.wav", "a b.wav"):
        (tmp_path / name).touch()
    ids, files = sys.modules["segments"].find_clips(str(tmp_path))
    found = {
        f.decode().rsplit("/", 1)[1]: i.decode() for i, f in zip(ids, files)
    }
    assert found == WILD


def head_saved(folder):
    """An official file: a tiny AST with a head for the data set's classes."""
    torch.manual_seed(0)
    state = AST((32, 2, 2)).state_dict().items()
    head = NormLinear(32, len(LABELS)).state_dict().items()
    saved = {f"module.v.{k}": v for k, v in state}
    saved |= {f"module.mlp_head.{k}": 9 * v for k, v in head}
    torch.save(saved, folder / "tiny_10_10.pth")
    return folder / "tiny_10_10.pth"


@pytest.mark.parametrize("packed", [False, True])
def test_pretrained(data, shards, tmp_path, packed):
    """The head of the checkpoint, without training, on eval alone."""
    source = head_saved(tmp_path)
    argv = [f"--source={source}", "--frames=1024", "--expected={mAP: 0.9}"]
    folder = shards if packed else data
    result = train(NAME, folder, tmp_path / "run", *argv, method="pretrained")
    assert result["history"] == [] and result["clips"] == {"test": 10}
    said = f"mAP {result['metrics']['mAP']:.4f}, expected 0.9: NOT met"
    assert said in (tmp_path / "run" / "log.txt").read_text()
    classes = pandas.read_csv(tmp_path / "run" / "classes.csv")
    assert list(classes["class"]) == NAMES
    assert classes["AP"].mean() == pytest.approx(result["metrics"]["mAP"])
    rows = pandas.read_csv(tmp_path / "run" / "predictions.csv")
    assert len(rows) == 10 and "Speech|Dog" in set(rows["label"])
    file = next((data / "audio" / "eval").glob("Y*.wav"))
    tagger = AudioClassifier.from_run(tmp_path / "run")
    row = rows.set_index("id").loc[file.stem].filter(like="p(")
    probabilities = tagger.classify_file(file, windows=1)[0][0]
    np.testing.assert_allclose(probabilities, row.astype(float), atol=1e-4)


def test_a_head_of_another_order(data, tmp_path):
    """Its mAP was that of other classes."""
    names = dict(enumerate(NAMES[::-1]))
    config = hf_config(id2label=names, num_labels=len(names))
    ASTForAudioClassification(config).save_pretrained(tmp_path / "hf")
    argv = [f"--source={tmp_path / 'hf'}", "--ast_size=[48,2,3]"]
    with pytest.raises(InputError, match="in another order, such as 'Siren'"):
        train(NAME, data, tmp_path / "run", *argv, method="pretrained")


def test_missing_and_broken_clips_are_reported(prepare, tmp_path, caplog):
    """And left out, not fatal."""
    data = make_audioset(tmp_path, missing={ytid("balanced", 0)})
    broken = data / "audio" / "balanced" / f"Y{ytid('balanced', 4)}.wav"
    broken.write_bytes(truncated_wav())
    tables = prepare(str(data), str(tmp_path / "save"), valid_clips=0)
    assert set(tables) == {"train", "test"}
    assert len(np.load(tables["train"])) == CLIPS["balanced"] - 2
    report = (tmp_path / "save" / "left_out.txt").read_text()
    assert f"balanced {ytid('balanced', 0)}: no such file" in report
    assert "truncated" in report and report.count("\n") == 2
    assert "2 of 20 clips are missing or broken" in caplog.text


def test_another_folder_of_clips(data, prepare, tmp_path):
    """The csv files need not lie beside them."""
    for name in [*FILES.values(), "class_labels_indices.csv"]:
        (tmp_path / name).write_text((data / name).read_text())
    folder = str(data / "audio")
    tables = prepare(str(tmp_path), str(tmp_path), folder, valid_clips=0)
    assert len(np.load(tables["train"])) == CLIPS["balanced"] - 1


def test_counts_that_are_not_the_official_ones(data, prepare, tmp_path, caplog):
    """Said, not refused: many have a part of AudioSet."""
    with caplog.at_level(logging.WARNING):
        prepare(str(data), str(tmp_path), valid_clips=0)
    for words in ("has 5 classes", "20 clips, the official one 22160", "20371"):
        assert words in caplog.text


def spoil(file, old, new):
    """What is wrong with a copy of the data set."""

    def change(data):
        path = data / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def remove(file):
    return lambda data: (data / file).unlink()


def empty(file):
    return lambda data: (data / file).write_text("# YTID, start_seconds\n")


BALANCED, CLASSES_CSV = FILES["balanced"], "class_labels_indices.csv"
ROW = '-bal0000000, 30.000, 40.000, "/m/09x0r"'
ERRORS = {
    "no csv": (remove(BALANCED), "data_folder=", BALANCED, "Download"),
    "no classes": (remove(CLASSES_CSV), CLASSES_CSV, "it has:"),
    "label": (spoil(BALANCED, LABELS[0], "/m/0"), "line 4", "'/m/0'"),
    "fields": (spoil(BALANCED, " 40.000,", ""), "line 4", "YTID"),
    "seconds": (spoil(BALANCED, "30.000", "x"), "line 4", "x"),
    "order": (spoil(BALANCED, "30.000", "50.0"), "line 4", "50.0"),
    "id": (spoil(BALANCED, "-bal0000000", "bal"), "line 4", "bal, 30"),
    "twice": (spoil(BALANCED, ROW, f"{ROW}\n{ROW}"), "-bal0000000 twice"),
    "class": (spoil(CLASSES_CSV, "1,/m/", "7,/m/"), "line 3", "of class 1"),
    "header": (spoil(CLASSES_CSV, "mid", "id"), "line 1", "index,mid"),
    "class twice": (spoil(CLASSES_CSV, LABELS[1], LABELS[0]), "line 3"),
    "name twice": (spoil(CLASSES_CSV, NAMES[1], NAMES[0]), "line 3", "Speech"),
    "no clips": (empty(BALANCED), BALANCED, "lists no clips"),
    "two lists": (spoil(FILES["eval"], "-eva0000000", "-bal0000000"), "is in"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_errors(prepare, tmp_path, error):
    """Each names the file, the line, the value."""
    data = make_audioset(tmp_path)
    change, *words = ERRORS[error]
    change(data)
    with pytest.raises(InputError) as caught:
        prepare(str(data), str(tmp_path / "save"))
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_what_a_spreadsheet_has_written(prepare, tmp_path):
    """A mark before the first letter, and lines of blanks."""
    data, other = (make_audioset(tmp_path / name) for name in "ab")
    for name in (*FILES.values(), CLASSES_CSV):
        text = (other / name).read_text().replace("\n", "\r\n")
        (other / name).write_text(f"\ufeff{text}   \r\n", encoding="utf-8")
    tables = prepare(str(other), str(tmp_path / "save"), valid_clips=5)
    plain = prepare(str(data), str(tmp_path / "plain"), valid_clips=5)
    for split, path in tables.items():
        labels = [
            np.load(file)["labels"].tolist() for file in (path, plain[split])
        ]
        assert labels[0] == labels[1]


def test_wrong_options(data, prepare, tmp_path):
    """Of the recipe, and of the folder of clips."""
    (tmp_path / "empty").mkdir()
    for words, options in {
        "train_set='big'": {"train_set": "big"},
        "valid_clips=-1": {"valid_clips": -1},
        "valid_clips=19 leaves none": {"valid_clips": 19},
        "/nowhere is no folder": {"clips_folder": "/nowhere"},
        "has none of the 20": {"clips_folder": str(tmp_path / "empty")},
    }.items():
        with pytest.raises(InputError, match=words):
            prepare(str(data), str(tmp_path / "save"), **options)


def test_packing(data, shards, tmp_path):
    """Goes on where it stopped, in parallel too, with the same bytes."""
    pack = pack_module().pack
    again = tmp_path / "again"
    pack(str(data), str(again), ["balanced"], clips=4, jobs=10**9)
    (again / "balanced" / "000001.tar").unlink()
    pack(str(data), str(again), ["balanced"], clips=4)
    names = sorted(p.name for p in (again / "balanced").iterdir())
    assert sum(n.endswith(".tar") for n in names) == 5
    for name in names:
        mine, theirs = (f / "balanced" / name for f in (again, shards))
        assert mine.read_bytes() == theirs.read_bytes(), name
    with pytest.raises(InputError, match="another --clips"):
        pack(str(data), str(again), ["balanced"], clips=3)
    with pytest.raises(InputError, match="clips_folder=/nowhere is no folder"):
        pack(str(data), str(again), ["balanced"], clips_folder="/nowhere")
    split_shards = pack_module().split_shards
    splits, counts = split_shards(str(shards), "balanced", valid_clips=5)
    assert not set(splits["train"]) & set(splits["valid"])
    assert sum(sum(s.values()) for s in splits.values()) == 19 + 10
    assert sum(counts.values()) == 31
    with pytest.raises(InputError, match="leaves none of the 5 shards"):
        split_shards(str(shards), "balanced", valid_clips=19)
    with pytest.raises(InputError, match="is no index"):
        split_shards(str(shards), "full", valid_clips=0)


@pytest.mark.parametrize("packed", [False, True])
def test_trains(data, shards, tmp_path, packed):
    """From files and from shards; tests the average of two epochs."""
    folder = shards if packed else data
    result = train(NAME, folder, tmp_path, *SMALL, "--shuffle_buffer=5")
    assert result["tested_epoch"] == [1, 2] and result["select"] == "mAP"
    assert 0 < result["metrics"]["mAP"] < 1
    assert list(result["history"][0]["train"]) == ["loss"]
    assert result["clips"]["test"] == CLIPS["eval"] - 1
    labels = (tmp_path / "save" / "labels.txt").read_text()
    assert f"'{NAMES[2]}' => 2" in labels


@pytest.mark.parametrize("shared", [False, True])
def test_a_finished_run_is_refused_other_data(data, tmp_path, shared):
    """Another label, wherever the tables are; nothing in the run changes."""
    run, tables = tmp_path / "run", tmp_path / "tables"
    options = [*SMALL, f"--tables_folder={tables}"] if shared else SMALL
    done = train(NAME, data, run, *options)
    other = shutil.copytree(data, tmp_path / "other" / "AudioSet")
    assert train(NAME, other, run, *options)["metrics"] == done["metrics"]
    before = {p: p.read_bytes() for p in run.rglob("*.np?")}
    spoil(FILES["eval"], LABELS[0], LABELS[3])(other)
    with pytest.raises(InputError, match="clips.json is of a run on other"):
        train(NAME, other, run, *options)
    assert {p: p.read_bytes() for p in run.rglob("*.np?")} == before
    assert train(NAME, data, run, *options)["metrics"] == done["metrics"]


def test_a_finished_run_is_refused_other_shards(data, shards, tmp_path):
    train(NAME, shards, tmp_path / "run", *SMALL)
    other = tmp_path / "other"
    pack_module().pack(str(data), str(other), ["balanced", "eval"], clips=3)
    with pytest.raises(InputError, match="clips.json is of a run on other"):
        train(NAME, other, tmp_path / "run", *SMALL)


@pytest.mark.parametrize("option", ["--clips=0", "--jobs=0"])
def test_wrong_numbers_of_packing(data, tmp_path, option, capsys):
    """Said before anything is written."""
    with pytest.raises(SystemExit):
        pack_module().main([str(data), str(tmp_path / "new"), option])
    assert f"{option[:-2]}: give 1 or more" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "option",
    [
        "average=0",
        "batch_size=0",
        "clips_per_epoch=-3",
        "clips_per_epoch=0",
        "clips_per_epoch=2.5",
        "shuffle_buffer=0",
    ],
)
def test_wrong_numbers(data, tmp_path, option):
    """Alike for files and for shards."""
    with pytest.raises(InputError, match=f"{option}: give a whole number, 1"):
        train(NAME, data, tmp_path, f"--{option}")


@pytest.mark.parametrize(
    "expected, message",
    [
        ("{map: 0.4}", "expected='map' is not one of mAP, AUC, d_prime"),
        ("{mAP: high}", "expected: mAP=high: give a number"),
    ],
)
def test_what_cannot_be_expected(expected, message, data, tmp_path):
    """Said before the test, not after it."""
    with pytest.raises(InputError, match=message):
        train(NAME, data, tmp_path, f"--expected={expected}")


def test_every_clip_is_scored_once(data, shards, tmp_path):
    """Files or shards: the same weights, the same figures."""
    argv = ["--average=1", "--epochs=1", "--valid_clips=0", "--lr=0.0"]
    argv += ["--frames=96", "--balance=False"]
    results = [
        train(NAME, folder, tmp_path / name, *argv)["metrics"]
        for name, folder in {"files": data, "shards": shards}.items()
    ]
    assert results[0] == pytest.approx(results[1], abs=1e-3)


def test_killed_run_goes_on(shards, tmp_path, monkeypatch):
    """In the middle of an epoch of shards, to the same weights."""
    argv = ["--epochs=2", "--average=1", "--valid_clips=5", "--batch_size=2"]
    argv += ["--shuffle_buffer=5", "--ckpt_interval_steps=2"]
    whole = train(NAME, shards, tmp_path / "whole", *argv)
    steps, fit_batch = iter(range(9)), PETLBrain.fit_batch

    def killed(self, batch):
        next(steps)  # the ninth step is in the second epoch
        return fit_batch(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(PETLBrain, "fit_batch", killed)
        with pytest.raises((StopIteration, RuntimeError)):
            train(NAME, shards, tmp_path / "killed", *argv)
    again = train(NAME, shards, tmp_path / "killed", *argv)
    assert again["metrics"] == whole["metrics"]
    first, second = (weights_of(tmp_path / n) for n in ("whole", "killed"))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    losses = [
        [e["train"]["loss"] for e in r["history"]] for r in (whole, again)
    ]
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.slow
@pytest.mark.parametrize("method", methods_of(NAME))
def test_every_method(data, tmp_path, method):
    """A few batches of each method file."""
    result = train(NAME, data, tmp_path, *SMALL, "--debug", method=method)
    assert result["method"] == method


@pytest.mark.slow
def test_overfits(data, tmp_path):
    """A few clips are learned by heart."""
    argv = ["--epochs=120", "--average=1", "--valid_clips=0", "--lr=0.003"]
    yaml = ["--wave_augment={steps: []}", "--augment={steps: []}"]
    result = train(NAME, data, tmp_path, *argv, *yaml, method="full")
    assert result["history"][-1]["train"]["loss"] < 0.1


@pytest.mark.slow
def test_two_processes_are_one(data, tmp_path):
    """From a folder of clips; the last batch is not shared evenly."""
    recipe = ROOT / "recipes" / NAME
    plain = "--wave_augment={steps: []}", "--augment={steps: []}"
    train(NAME, data, tmp_path / "1", *SMALL, *plain)  # batches of 8
    argv = [f"{recipe}/hparams/lora.yaml", f"--output_folder={tmp_path / '2'}"]
    argv += [f"--data_folder={data}", *TINY, *SMALL, *plain]
    done = torchrun([*argv, "--batch_size=4"], recipe / "train.py")
    assert done.returncode == 0, done.stderr[-3000:]
    assert_alike(result_of(tmp_path / "2"), result_of(tmp_path / "1"))


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_two_processes(data, shards, tmp_path, packed):
    """Under torchrun, with uneven shares, and workers for the shards."""
    recipe = ROOT / "recipes" / NAME
    argv = [f"{recipe}/hparams/lora.yaml", f"--output_folder={tmp_path}"]
    argv += [f"--data_folder={shards if packed else data}", *TINY, *SMALL]
    argv += ["--debug", "--shuffle_buffer=5", "--num_workers=2"]
    done = torchrun(argv, program=recipe / "train.py")
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"processes": 2' in (tmp_path / "result.json").read_text()
