"""Brazilian accents: splits, errors, and training on a tiny layout."""

import os
import sys
from pathlib import Path

import pandas
import pytest
import torch
from layouts import truncated_wav
from layouts_brazilian_accents import (
    LABELS,
    LONG,
    make_brazilian_accents,
    rows_of,
    write_csv,
)
from speechbrain_petl import InputError
from tiny_runs import load_prepare, methods_of, read_manifests, train

NAME = "BrazilianAccents"
WINDOW = 0.5  # seconds
SPLIT_OF = {"0": "train", "1": "valid"}  # last digit of the speaker


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set."""
    return make_brazilian_accents(tmp_path_factory.mktemp("data"))


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_brazilian_accents


def given(rows):
    """The same rows with a column split."""
    return [
        {**row, "split": SPLIT_OF.get(row["speaker"][-1], "test")}
        for row in rows
    ]


def without(rows, column):
    """The same rows without a column."""
    return [{k: v for k, v in row.items() if k != column} for row in rows]


def speakers_of(entries):
    """Of a split."""
    return {entry["speaker"] for entry in entries.values()}


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_in_two_splits(data, prepare, seed, tmp_path):
    """Every label is in every split, and every recording in one."""
    splits = read_manifests(prepare(data, tmp_path, WINDOW, split_seed=seed))
    voices = [speakers_of(entries) for entries in splits.values()]
    assert list(splits) == ["train", "valid", "test"]
    assert len(set.union(*voices)) == sum(map(len, voices)) == 21
    files = {e["file"] for x in splits.values() for e in x.values()}
    assert len(files) == 42
    for entries in splits.values():
        assert {e["labels"][0] for e in entries.values()} == set(LABELS)


def test_shares_of_the_splits(prepare, tmp_path):
    """With enough speakers, the recordings divide as asked for."""
    rows = rows_of(speakers=20, labels=("ba", "sp"))
    data = make_brazilian_accents(tmp_path, rows)
    ratios = {"valid_ratio": 0.1, "test_ratio": 0.3}
    splits = read_manifests(prepare(data, tmp_path / "s", 4, **ratios))
    assert {s: len(x) for s, x in splits.items()} == {
        "train": 50,
        "valid": 8,
        "test": 24,
    }


def test_the_seed_chooses(data, prepare, tmp_path):
    """One seed, one choice; another seed, another."""
    tests = [
        frozenset(
            speakers_of(
                read_manifests(prepare(data, tmp_path, 1, split_seed=seed))[
                    "test"
                ]
            )
        )
        for seed in (1, 2, 3, 1)
    ]
    assert tests[0] == tests[3] and len(set(tests)) > 1


def test_long_recordings_are_cut(data, prepare, tmp_path):
    """Into windows that overlap, as many as fit and one for the rest."""
    splits = read_manifests(prepare(data, tmp_path, WINDOW, overlap=0.5))
    entries = {k: e for x in splits.values() for k, e in x.items()}
    cut = [e for e in entries.values() if e["file"] == "ba1_0"]
    assert LONG[0] == 3.1 and len(cut) == 12
    assert [e["start"] for e in cut[:3]] == [0.0, 0.25, 0.5]
    assert cut[-1]["stop"] == 3.1 and cut[-1]["duration"] == WINDOW


def test_deterministic_and_idempotent(data, prepare, tmp_path):
    """Another run changes no byte, nor does the order of the rows."""
    texts = []
    rows = rows_of()
    for order in (rows, rows[::-1], rows):
        write_csv(data / "metadata.csv", order)
        paths = prepare(str(data), str(tmp_path), WINDOW).values()
        texts.append([Path(path).read_bytes() for path in paths])
    assert texts[0] == texts[1] == texts[2]


def test_given_splits_are_kept(prepare, tmp_path):
    """And may come without a validation set."""
    data = make_brazilian_accents(tmp_path, given(rows_of()))
    splits = read_manifests(prepare(data, tmp_path / "save", WINDOW))
    for split, entries in splits.items():
        for speaker in speakers_of(entries):
            assert SPLIT_OF.get(speaker[-1], "test") == split
    rows = [r for r in given(rows_of()) if r["split"] != "valid"]
    write_csv(data / "metadata.csv", rows)
    assert list(prepare(data, tmp_path / "save", WINDOW)) == ["train", "test"]


def test_without_speakers(prepare, tmp_path, caplog):
    """Every recording is a speaker; the log says what that means."""
    data = make_brazilian_accents(tmp_path, without(rows_of(), "speaker"))
    splits = read_manifests(prepare(data, tmp_path / "save", WINDOW))
    assert sum(len(speakers_of(x)) for x in splits.values()) == 42
    assert "has no column speaker" in caplog.text


@pytest.mark.parametrize(
    "change, message",
    [
        ({"label": "xx"}, "line 4: label=xx is not one of ba, mg"),
        ({"label": ""}, "line 4: label is empty"),
        ({"id": "ba0_0"}, "line 4: id=ba0_0 is that of .*line 2 too"),
        (
            {"path": "ba/../ba/ba0_0.wav"},
            "line 4: wav=.* is that of .*line 2 too",
        ),
        ({"path": "ba/no.wav"}, "line 4: the audio file .*no.wav is missing"),
        (
            {"speaker": "mg0"},
            "line 12: speaker mg0 has label mg, but ba in .*4",
        ),
        ({"split": "all"}, "line 4: split=all is not one of train, valid, t"),
        ({"split": "test"}, "group ba1 is in valid .* and in test"),
    ],
)
def test_wrong_rows(prepare, change, message, tmp_path):
    """The message names the line, the value and what is wrong with it."""
    rows = rows_of()
    data = make_brazilian_accents(tmp_path, rows)
    rows = given(rows) if "split" in change else rows
    rows[2] = {**rows[2], **change}
    write_csv(data / "metadata.csv", rows)
    with pytest.raises(InputError, match=message):
        prepare(data, tmp_path / "save", WINDOW, labels=list(LABELS))


def test_too_few_speakers(prepare, tmp_path):
    """Nobody is divided; a label must be trained to be tested."""
    rows = rows_of()
    data = make_brazilian_accents(tmp_path, rows)
    write_csv(data / "metadata.csv", [r for r in rows if r["id"] < "sp2"])
    with pytest.raises(InputError, match=r"sp has 2 speakers \(sp0, sp1\)"):
        prepare(data, tmp_path / "save", WINDOW)
    rows = [r for r in given(rows) if r["speaker"] != "sp0"]
    write_csv(data / "metadata.csv", rows)
    with pytest.raises(InputError, match="classes without training clips: sp"):
        prepare(data, tmp_path / "save", WINDOW)
    write_csv(data / "metadata.csv", [r for r in rows if r["split"] != "test"])
    with pytest.raises(InputError, match="no row has split=test"):
        prepare(data, tmp_path / "save", WINDOW)


def test_wrong_arguments(data, prepare, tmp_path):
    """A folder, a csv file or a ratio that there is not."""
    with pytest.raises(InputError, match="nowhere is no folder"):
        prepare("/nowhere", tmp_path, WINDOW)
    with pytest.raises(InputError, match=r"holds no meta.csv \(it has: ba, "):
        prepare(data, tmp_path, WINDOW, metadata="meta.csv")
    with pytest.raises(InputError, match="test_ratio=0.95 must be above 0"):
        prepare(data, tmp_path, WINDOW, test_ratio=0.95)
    for labels in ("ba", [], 5):
        with pytest.raises(InputError, match="labels=.* is no list of labels"):
            prepare(data, tmp_path, WINDOW, labels=labels)


def test_missing_and_broken_audio(prepare, tmp_path):
    """Both are found before training starts."""
    data = make_brazilian_accents(tmp_path, missing="mg0_1")
    with pytest.raises(InputError, match="line 13: .*mg0_1.wav is missing"):
        prepare(data, tmp_path / "save", WINDOW)
    (data / "mg" / "mg0_1.wav").write_bytes(truncated_wav())
    with pytest.raises(InputError, match="mg0_1.wav is truncated"):
        prepare(data, tmp_path / "save", WINDOW)


def test_train(data, tmp_path):
    """One method from files to result and picture, on few recordings."""
    more = ["--epochs=1", "--debug", "--shots=2", "--overlap=0.5"]
    result = train(NAME, data, tmp_path, *more)
    assert set(result["metrics"]) == {"loss", "accuracy", "macro-F1", "UAR"}
    assert result["select"] == "macro-F1"
    assert (tmp_path / "confusion.png").read_bytes()[1:4] == b"PNG"
    table = pandas.read_csv(tmp_path / "predictions.csv")
    assert table["id"].is_unique  # files, not windows
    right = (table["label"] == table["predicted"]).mean()
    assert right == pytest.approx(result["metrics"]["accuracy"])
    labels = (tmp_path / "save" / "labels.txt").read_text()
    assert [line[1:3] for line in labels.splitlines()[:5]] == list(LABELS)


@pytest.mark.parametrize("balance", [True, False])
def test_the_loss_is_that_of_a_clip(balance, tmp_path):
    """In the test; in training the classes count alike."""
    # two of each label to train on, but one of sp; the test's have one window
    rows = [row for row in given(rows_of()) if row["id"] != "sp0_1"]
    data = make_brazilian_accents(tmp_path, rows)
    options = ["--epochs=1", f"--balance={balance}"]
    result = train(NAME, data, tmp_path / "run", *options)
    table = pandas.read_csv(tmp_path / "run" / "predictions.csv")
    columns = [name for name in table if name.startswith("p(")]
    # as they were before the temperature
    logits = torch.tensor(table[columns].values).log()
    logits *= result["calibration"]["temperature"]
    true = [columns.index(f"p({label})") for label in table["label"]]
    assert len(true) == 22
    mean = torch.nn.functional.cross_entropy(logits, torch.tensor(true))
    assert result["metrics"]["loss"] == pytest.approx(float(mean), rel=1e-4)


def test_classes_are_drawn_or_weighed(data, tmp_path):
    """The first by any loss; the other by one that takes weights."""
    loss = "--loss=!name:speechbrain_petl.binary_cross_entropy"
    options = ["--epochs=1", "--debug", loss]
    drawn = ["--balance=False", "--draw_balanced=True"]
    result = train(NAME, data, tmp_path / "a", *options, *drawn)
    assert result["metrics"]["loss"] < 1  # of five classes by themselves
    with pytest.raises(InputError, match="balance: this loss takes no weights"):
        train(NAME, data, tmp_path / "b", *options)


@pytest.mark.parametrize("first", ["", "0,", "segment_0_a,"])
@pytest.mark.parametrize("header", [True, False])
def test_tables_of_older_repositories(first, header, tmp_path, prepare):
    """A csv for each split, path and label by their place, or after an id."""
    data = make_brazilian_accents(tmp_path)
    tables = {}
    for split in ("train", "valid", "test"):
        rows = [r for r in given(rows_of()) if r["split"] == split]
        lines = ["," * (first != "") + "audio,accent,age"] * header
        lines += [f"{first}{r['path']},{r['label']},30" for r in rows]
        tables[split] = f"{split}.csv"
        (data / tables[split]).write_text("\n".join(lines))
    splits = read_manifests(
        prepare(os.path.relpath(data), tmp_path / "save", WINDOW, tables=tables)
    )
    for split, entries in splits.items():
        wanted = {r["path"] for r in given(rows_of()) if r["split"] == split}
        assert {e["file"] for e in entries.values()} == wanted
    lines = [f"{first}ba/no.wav,ba", f"{first}ba/no2.wav,ba"]
    (data / "test.csv").write_text("\n".join(lines))
    with pytest.raises(
        InputError, match="line 1: .*no.wav is m.* line 2: .*no2"
    ):
        prepare(data, tmp_path / "other", WINDOW, tables=tables)


@pytest.mark.slow
@pytest.mark.parametrize("method", methods_of(NAME))
def test_every_method(data, tmp_path, method):
    """Each method file trains."""
    result = train(NAME, data, tmp_path, "--epochs=1", "--debug", method=method)
    assert result["method"] == method


@pytest.mark.slow
def test_overfits(data, tmp_path):
    """The training recordings can be learned by heart."""
    more = ["--epochs=60", "--lr=0.003", "--augment={steps: []}"]
    result = train(NAME, data, tmp_path, *more, method="full")
    assert result["history"][-1]["train"]["loss"] < 0.1


if __name__ == "__main__":
    make_brazilian_accents(sys.argv[1])
