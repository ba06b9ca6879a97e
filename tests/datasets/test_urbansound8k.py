"""UrbanSound8K: folds, counts, errors, and training on a tiny layout."""

import json
import logging
import sys
from pathlib import Path

import pytest
from layouts import truncated_wav
from layouts_urbansound8k import CLASSES, FOLDS, make_urbansound8k
from speechbrain_petl import InputError
from tiny_runs import load_prepare, methods_of, read_manifests, train

NAME = "UrbanSound8k"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set."""
    return make_urbansound8k(tmp_path_factory.mktemp("data"))


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_urbansound8k


@pytest.mark.parametrize("fold", FOLDS)
def test_folds(data, prepare, fold, tmp_path):
    """The next fold validates, and no clip is in two splits."""
    splits = read_manifests(prepare(data, tmp_path, fold))
    folds = {s: {e["fold"] for e in x.values()} for s, x in splits.items()}
    assert folds["test"] == {fold} and folds["valid"] == {fold % 10 + 1}
    assert folds["train"] == set(FOLDS) - folds["test"] - folds["valid"]
    assert [len(splits[s]) for s in ("train", "valid", "test")] == [80, 10, 10]
    wavs = [entry["wav"] for x in splits.values() for entry in x.values()]
    assert len(set(wavs)) == len(wavs) == 100
    assert {e["label"] for e in splits["test"].values()} == set(CLASSES)


def test_nine_folds_to_train(data, prepare, tmp_path):
    """Without a validation set."""
    splits = read_manifests(prepare(data, tmp_path, 3, "9-1"))
    assert {s: len(x) for s, x in splits.items()} == {"train": 90, "test": 10}


def test_deterministic_and_idempotent(data, prepare, tmp_path):
    """Another run changes no byte, and the order is that of the names."""
    texts = []
    for _ in range(2):
        paths = prepare(str(data.parent), str(tmp_path)).values()
        texts.append([Path(path).read_bytes() for path in paths])
    assert texts[0] == texts[1]
    keys = list(json.loads(texts[0][0]))
    assert keys == sorted(keys)


def test_tells_what_differs(data, prepare, tmp_path, caplog):
    """Counts that are not the official ones; recordings in two splits."""
    with caplog.at_level(logging.INFO):
        prepare(data, tmp_path)
    assert "lists 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 clips" in caplog.text
    assert "the official one 873, 888, 925" in caplog.text
    assert "1 of 99 recordings have clips in two splits" in caplog.text
    assert sum(load_prepare(NAME).CLIPS) == 8732


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("fold,classID", "folds,classID", "has no column fold"),
        (",1,0,air", ",11,0,air", "line 2: slice_file_name=.* fold=11, w"),
        (",1,0,air", ",1.0,0,air", "line 2: .* fold=1.0, which is none of 1"),
        ("1001-1-0-1.wav", "", "line 3: slice_file_name is empty"),
        (",2,0,air_conditioner", ",2", "line 12: 6 values for 8 columns"),
        ("car_horn\n", "car_horn,x\n", "line 3: 9 values for 8 columns"),
        ("8,siren", "8,sirens", "line 10: class='sirens' with classID='8'"),
        ("7,jackhammer", "6,jackhammer", "classID='6' is none of: 0 air_"),
        ("1001-1-0-1.wav", "1000-0-0-1.wav", "line 3: .* is listed twice"),
        ("1001-1-0-1.wav", "1-1-0-1.wav", "line 3: the audio file .* missing"),
        ("10,8,siren", "10,9,street_music", "fold 10 has no clip of siren"),
        ("car_horn", "\xe9", "class='\xe9' with classID='1' is none of"),
    ],
)
def test_wrong_csv(prepare, old, new, message, tmp_path):
    """The message names the line, the value and what is wrong with it."""
    root = make_urbansound8k(tmp_path)
    (root / "audio" / "fold1" / "1000-0-0-1.wav").touch()
    path = root / "metadata" / "UrbanSound8K.csv"
    text = path.read_text()
    assert old in text
    text = text.replace(old, new, 1).replace("\r\n", "\n")
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        prepare(root, tmp_path / "save")


def test_missing_and_broken_audio(prepare, tmp_path):
    """Both are found before training starts."""
    root = make_urbansound8k(tmp_path, missing="2005-5-0-2.wav")
    with pytest.raises(InputError, match="line 17: .*2005-5-0-2.wav is m"):
        prepare(root, tmp_path / "save")
    clip = root / "audio" / "fold2" / "2005-5-0-2.wav"
    clip.write_bytes(truncated_wav())
    with pytest.raises(InputError, match="2005-5-0-2.wav is truncated"):
        prepare(root, tmp_path / "save")


def test_wrong_arguments(data, prepare, tmp_path):
    """A fold, a protocol or a folder that there is not."""
    with pytest.raises(InputError, match="fold=11 .* folds 1 to 10"):
        prepare(data, tmp_path, 11)
    with pytest.raises(InputError, match="'3-1-1' is not one of 8-1-1, 9-1"):
        prepare(data, tmp_path, 1, "3-1-1")
    with pytest.raises(InputError, match="holds no metadata.*it has: fold1"):
        prepare(str(data / "audio"), tmp_path)
    with pytest.raises(InputError, match="nowhere is no folder"):
        prepare("/nowhere", tmp_path)


def test_train(data, tmp_path):
    """One method from files to result."""
    result = train(NAME, data, tmp_path, "--epochs=2", "--debug")
    assert result["dataset"] == "UrbanSound8K" and result["fold"] == 1
    assert result["select"] == "accuracy" and len(result["history"]) == 2
    assert (tmp_path / "save" / "labels.txt").is_file()


def test_few_shots(data, tmp_path):
    """Fewer clips to train on, the same to validate and test on."""
    train(NAME, data, tmp_path, "--epochs=1", "--debug", "--shots=2")
    with pytest.raises(InputError, match="shots=0: give a whole number"):
        train(NAME, data, tmp_path / "more", "--shots=0")


@pytest.mark.slow
@pytest.mark.parametrize("method", methods_of(NAME))
def test_every_method(data, tmp_path, method):
    """Each method file trains."""
    result = train(NAME, data, tmp_path, "--epochs=1", "--debug", method=method)
    assert result["method"] == method


@pytest.mark.slow
def test_overfits(data, tmp_path):
    """The training clips can be learned by heart."""
    more = ["--epochs=60", "--lr=0.003", "--protocol=9-1"]
    more.append("--augment={steps: []}")
    result = train(NAME, data, tmp_path, *more, method="full")
    assert result["history"][-1]["train"]["accuracy"] > 0.95


if __name__ == "__main__":
    make_urbansound8k(sys.argv[1])
