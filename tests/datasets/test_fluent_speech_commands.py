"""Fluent Speech Commands: splits, errors, and both tasks on a tiny layout."""

import csv
import importlib.util
import json
import logging
from pathlib import Path

import pandas
import pytest
import torch
from layouts import truncated_wav
from layouts_fluent_speech_commands import (
    INTENTS,
    SPEAKERS,
    make_fluent_speech_commands,
)
from method_files import ROOT
from running import assert_alike, load_train, result_of, torchrun
from speechbrain_petl import InputError
from speechbrain_petl.experiments.ensemble import main as ensemble
from speechbrain_petl.recipe.method_files import BASE
from tiny_runs import TINY, load_prepare, methods_of, read_manifests, train

NAME = "FluentSpeechCommands"
RECIPE = ROOT / "recipes" / NAME
SHORT = ("--epochs=2", "--debug")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set."""
    return make_fluent_speech_commands(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def learnable(tmp_path_factory):
    """One that a new speaker's intents can be learned from."""
    return make_fluent_speech_commands(
        tmp_path_factory.mktemp("learnable"),
        intents=12,
        speakers=6,
        seconds=0.45,
        odd=False,
    )


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_fluent_speech_commands


def sequence_arguments(data, output, *more, method="lora"):
    """The command line of train_seq2seq.py."""
    return [
        str(RECIPE / "hparams" / "seq2seq" / f"{method}.yaml"),
        f"--data_folder={data}",
        f"--output_folder={output}",
        *TINY,
        *more,
    ]


def train_sequences(data, output, *more, method="lora"):
    """Run train_seq2seq.py in this process; returns its result.json."""
    load_train(RECIPE)  # whose prepare.py is the other script's too
    spec = importlib.util.spec_from_file_location(
        "train_seq2seq", RECIPE / "train_seq2seq.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(sequence_arguments(data, output, *more, method=method))
    return json.loads((Path(output) / "result.json").read_text())


def sequence_methods():
    """The method files of the second task."""
    found = (RECIPE / "hparams" / "seq2seq").glob("*.yaml")
    return sorted(path.stem for path in found if path.name != BASE)


def test_official_splits(data, prepare, tmp_path):
    """All of the csv files, and neither clip nor speaker in two splits."""
    splits = read_manifests(prepare(data, tmp_path))
    for split, speakers in SPEAKERS.items():
        assert len(splits[split]) == speakers * len(INTENTS)
    for key in ("wav", "speaker"):
        values = [{e[key] for e in x.values()} for x in splits.values()]
        assert sum(map(len, values)) == len(set.union(*values))
    entry = splits["train"][min(splits["train"])]
    assert entry["label"] == "activate | lamp | none"
    assert entry["transcription"] == "activate lamp none, please"


def test_the_31_intents(data, prepare, tmp_path):
    """prepare.py's list and the generator's were written apart."""
    labels = load_prepare(NAME).LABELS
    official = sorted(
        " | ".join(slot.replace("_", " ") for slot in intent.split())
        for intent in INTENTS
    )
    assert labels == official and len(labels) == 31
    for entries in read_manifests(prepare(data, tmp_path)).values():
        assert {e["label"] for e in entries.values()} == set(labels)


def test_deterministic_and_idempotent(data, prepare, tmp_path):
    """Another run changes no byte, and the order is that of the ids."""
    texts = []
    for _ in range(2):
        paths = prepare(str(data.parent), str(tmp_path)).values()
        texts.append([Path(path).read_bytes() for path in paths])
    assert texts[0] == texts[1]
    keys = list(json.loads(texts[0][0]))
    assert keys == sorted(keys)


def test_tells_what_differs(prepare, tmp_path, caplog):
    """Counts that are not the official ones, and intents without a clip."""
    root = make_fluent_speech_commands(tmp_path, intents=30)
    with caplog.at_level(logging.INFO):
        prepare(root, tmp_path / "save")
    assert "train_data.csv lists 60 clips of 2 speakers" in caplog.text
    assert "the official one 23132 of 77" in caplog.text
    assert "no clip of 1 of the 31 intents, such as 'incr" in caplog.text


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("action,object", "actions,object", "has no column action"),
        (",activate,lamp,none", ",activate,lamp", "line 2: 6 values for 7"),
        (",activate,lamp,none", ",activate,lamp,none,x", "line 2: 8 values"),
        (",activate,lamp,none", ",activate,,none", "line 2: object is empty"),
        (
            "lamp,none\n",
            "lamp,kitchen\n",
            "line 2: 'activate | lamp | kitchen'",
        ),
        (",newspaper,none", ",paper,none", "line 3: .* INTENTS"),
        ("-0002-11e9", "-9992-11e9", "line 3: the audio file .* is missing"),
        ("-0002-11e9", "-0001-11e9", "line 3: .* is listed twice"),
    ],
)
def test_wrong_csv(prepare, old, new, message, tmp_path):
    """The message names the line, the value and what is wrong with it."""
    root = make_fluent_speech_commands(tmp_path, intents=4)
    path = root / "data" / "train_data.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="latin-1")
    with pytest.raises(InputError, match=message.replace(" | ", r" \| ")):
        prepare(root, tmp_path / "save")


def test_line_numbers_count_quoted_line_ends(prepare, tmp_path):
    """A transcription may go over two lines; blank lines do not matter."""
    root = make_fluent_speech_commands(tmp_path, intents=4)
    path = root / "data" / "train_data.csv"
    text = path.read_text().replace("none, please", "none,\nplease", 1)
    path.write_text(text.replace(",newspaper,", ",paper,", 1))
    with pytest.raises(InputError, match="line 4: 'bring . paper . none'"):
        prepare(root, tmp_path / "save")


@pytest.mark.parametrize("what", ["wav", "speaker"])
def test_splits_that_overlap(prepare, what, tmp_path):
    """A clip or a speaker of the test in the training csv."""
    root = make_fluent_speech_commands(tmp_path, intents=4)
    train_csv, test_csv = (
        root / "data" / f"{split}_data.csv" for split in ("train", "test")
    )
    with open(test_csv, newline="") as file:
        row = list(csv.reader(file))[1]
    if what == "speaker":
        row[1] = row[1].replace("-0001-", "-new-")
        source = next((root / "wavs").glob("**/*-0001-*.wav"))
        (root / row[1]).write_bytes(source.read_bytes())
    with open(train_csv, "a", newline="") as file:
        csv.writer(file).writerow(row)
    message = f"{what} .* is in train .* and in test"
    with pytest.raises(InputError, match=message):
        prepare(root, tmp_path / "save")


def test_missing_and_broken_files(prepare, tmp_path):
    """All are found before training starts."""
    root = make_fluent_speech_commands(tmp_path, intents=4, missing=True)
    with pytest.raises(InputError, match="test_data.csv, line 5: the audio"):
        prepare(root, tmp_path / "save")
    clip = next((root / "wavs").glob("**/*-0001-*.wav"))
    clip.write_bytes(truncated_wav())
    (root / "data" / "test_data.csv").write_bytes(
        (root / "data" / "valid_data.csv").read_bytes()
    )
    with pytest.raises(InputError, match="is in valid .* and in test"):
        prepare(root, tmp_path / "save")
    (root / "data" / "test_data.csv").write_text("path\n")
    with pytest.raises(InputError, match="no column speakerId, transcription"):
        prepare(root, tmp_path / "save")
    (root / "data" / "test_data.csv").unlink()
    with pytest.raises(InputError, match="test_data.csv is missing: unpack"):
        prepare(root, tmp_path / "save")


def test_truncated_audio(prepare, tmp_path):
    """A clip that was not copied to its end."""
    root = make_fluent_speech_commands(tmp_path, intents=4)
    clip = next((root / "wavs").glob("**/*-0001-*.wav"))
    clip.write_bytes(truncated_wav())
    with pytest.raises(InputError, match=f"{clip.name} is truncated"):
        prepare(root, tmp_path / "save")


def test_wrong_folder(data, prepare, tmp_path):
    """Not the data set, or nothing."""
    with pytest.raises(InputError, match="holds no data/train.*it has: speak"):
        prepare(str(data / "wavs"), tmp_path)
    with pytest.raises(InputError, match="nowhere is no folder. Give the fol"):
        prepare("/nowhere", tmp_path)


def test_train(data, tmp_path):
    """Intents as classes, from files to result."""
    result = train(NAME, data, tmp_path, *SHORT, "--shots=2")
    assert result["dataset"] == "Fluent Speech Commands"
    assert result["select"] == "accuracy" and result["shots"] == 2
    with pytest.raises(InputError, match="shots=0: give a whole number"):
        train(NAME, data, tmp_path / "more", "--shots=0")


def test_train_sequences(data, tmp_path, capsys):
    """Intents as sequences, from files to result."""
    result = train_sequences(data, tmp_path, *SHORT, "--beam={beam_size: 3}")
    assert result["select"] == "accuracy" and len(result["history"]) == 2
    assert set(result["metrics"]) == {"loss", "accuracy", "token_error"}
    texts = (tmp_path / "save" / "tokenizer" / "texts.txt").read_text()
    assert len(texts.splitlines()) == 62  # of the training clips alone
    table = pandas.read_csv(tmp_path / "predictions.csv", keep_default_na=False)
    assert list(table.columns) == ["id", "label", "predicted"]
    assert set(table["label"]) <= set(texts.splitlines())
    right = (table["label"] == table["predicted"]).mean()
    assert right == pytest.approx(result["metrics"]["accuracy"])
    ensemble([str(tmp_path), str(tmp_path / "predictions.csv")])
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(f"votes of 2: accuracy {right:.4f}, WER ")
    assert said.endswith(f", {len(table)} clips")


def test_sequences_are_trained_as_classes_are(data, tmp_path):
    """Schedule, rate of the decoder, drawing of intents, a range of epochs."""
    options = [
        "--scheduler=!name:speechbrain_petl.warmup_multistep {start: 1}",
        *("--head_lr=0.01", "--balance=True", "--average_range=[1, 2]"),
    ]
    result = train_sequences(data, tmp_path, "--epochs=2", *options)
    assert result["tested_epoch"] == [1, 2]
    text = (tmp_path / "hyperparams.yaml").read_text()
    assert "!name:speechbrain_petl.warmup_multistep" in text
    optimizer = torch.load(
        max((tmp_path / "save").glob("CKPT*")) / "optimizer.ckpt"
    )
    rates = [group["lr"] for group in optimizer["param_groups"]]
    assert rates[1] == pytest.approx(2 * rates[0])  # 0.01 to 0.005


def test_method_file_of_the_other_task(data, tmp_path):
    """Each script names the folder of its own."""
    with pytest.raises(InputError, match="train.py takes those of hparams$"):
        train(NAME, data, tmp_path / "a", method="seq2seq/lora")
    with pytest.raises(InputError, match="takes those of hparams/seq2seq$"):
        train_sequences(data, tmp_path / "b", method="../lora")


def test_texts_cannot_be_mixed(data, tmp_path):
    """It would have mixed lengths instead."""
    mixup = "{steps: [!new:speechbrain_petl.Mixup {}]}"
    option = f"--augment=!new:speechbrain_petl.Augment {mixup}"
    with pytest.raises(InputError, match="^augment: Mixup mixes targets"):
        train_sequences(data, tmp_path, option)


@pytest.mark.slow
@pytest.mark.parametrize("method", methods_of(NAME))
def test_every_method(data, tmp_path, method):
    """Each method file trains."""
    result = train(NAME, data, tmp_path, *SHORT, method=method)
    assert result["method"] == method


@pytest.mark.slow
@pytest.mark.parametrize("method", sequence_methods())
def test_every_sequence_method(data, tmp_path, method):
    """Each method file of the second task trains."""
    result = train_sequences(data, tmp_path, *SHORT, method=method)
    assert result["method"] == method


@pytest.mark.slow
def test_learns_intents(learnable, tmp_path):
    """The training clips by heart, and most of a new speaker's twelve.

    Four seeds had 10, 12, 12 and 12 of them right; by chance it is one.
    """
    more = ["--epochs=60", "--lr=0.002"]
    result = train(NAME, learnable, tmp_path, *more, method="full")
    assert result["history"][-1]["train"]["accuracy"] == 1.0
    assert result["metrics"]["accuracy"] > 0.7


@pytest.mark.slow
def test_learns_to_emit_sequences(learnable, tmp_path):
    """A new speaker's intents are spelled out, with an error at most.

    By beam search in the test and greedily in validation: what was emitted
    before is all that the decoder is given. One that does not see the clip
    gets one intent of the twelve.
    """
    more = ["--epochs=30"]
    result = train_sequences(learnable, tmp_path, *more, method="conformer")
    last = result["history"][-1]
    assert last["train"]["accuracy"] == 1.0
    for metrics in (last["valid"], result["metrics"]):
        assert metrics["accuracy"] > 0.9
        assert metrics["token_error"] < 0.02


@pytest.mark.slow
def test_sequences_in_two_processes(data, tmp_path):
    """They take the steps of one, whose loss is a mean over tokens."""
    plain = "--augment={steps: []}", "--epochs=2"
    argv = sequence_arguments(data, tmp_path / "2", *plain, "--batch_size=4")
    done = torchrun(argv, RECIPE / "train_seq2seq.py")
    assert done.returncode == 0, done.stderr[-2000:]
    train_sequences(data, tmp_path / "1", *plain)  # batches of 8
    assert_alike(result_of(tmp_path / "2"), result_of(tmp_path / "1"))
