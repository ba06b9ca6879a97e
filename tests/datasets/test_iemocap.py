"""IEMOCAP: labels, speakers, folds, both accuracies, and training."""

import logging
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from layouts import truncated_wav
from layouts_iemocap import SPEAKERS, make_iemocap
from sklearn.metrics import accuracy_score, recall_score
from speechbrain_petl import InputError
from tiny_runs import load_prepare, methods_of, read_manifests, train
from torchmetrics.classification import MulticlassAccuracy

NAME = "IEMOCAP"
EVALUATION = Path("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set."""
    return make_iemocap(tmp_path_factory.mktemp("data"))


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_iemocap


@pytest.mark.parametrize("fold", range(1, 11))
def test_folds(data, prepare, fold, tmp_path):
    """One speaker tests, the other of the session validates."""
    splits = read_manifests(prepare(data, tmp_path, fold))
    speakers = {
        s: {e["speaker"] for e in x.values()} for s, x in splits.items()
    }
    (test,), (valid,) = speakers["test"], speakers["valid"]
    assert test == SPEAKERS[fold - 1]
    assert valid[:-1] == test[:-1] and valid != test
    assert speakers["train"] == set(SPEAKERS) - {test, valid}
    assert [len(splits[s]) for s in ("train", "valid", "test")] == [80, 10, 10]
    wavs = [e["wav"] for items in splits.values() for e in items.values()]
    assert len(set(wavs)) == len(wavs)


def test_labels(data, prepare, tmp_path):
    """Happy and excited are one class; the rest is left out."""
    splits = read_manifests(prepare(data, tmp_path))
    entries = [e for items in splits.values() for e in items.values()]
    assert Counter((e["code"], e["label"]) for e in entries) == {
        ("neu", "neutral"): 20,
        ("hap", "happy"): 20,
        ("exc", "happy"): 20,
        ("sad", "sad"): 20,
        ("ang", "angry"): 20,
    }


def test_the_speaker_is_who_speaks(data, prepare, tmp_path):
    """Not the one who wears the markers, whom the dialog is named after."""
    test = read_manifests(prepare(data, tmp_path, fold=2))["test"]
    assert {key[:6] for key in test} == {"Ses01F", "Ses01M"}
    assert {key.split("_")[-1][0] for key in test} == {"M"}


def test_deterministic_and_idempotent(data, prepare, tmp_path):
    """Another run changes no byte, and the order is that of the names."""
    texts = []
    for _ in range(2):
        paths = prepare(str(data.parent), str(tmp_path)).values()
        texts.append([Path(path).read_bytes() for path in paths])
    assert texts[0] == texts[1]
    for items in read_manifests(prepare(data, tmp_path)).values():
        assert list(items) == sorted(items)


def test_tells_what_differs(data, prepare, tmp_path, caplog):
    """Counts that are not the official ones."""
    with caplog.at_level(logging.WARNING):
        prepare(data, tmp_path)
    assert "has 20 neutral, 40 happy, 20 sad, 20 angry turns" in caplog.text
    assert sum(load_prepare(NAME).TURNS.values()) == 5531


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("\tneu\t", " neu ", r"line 3: '\[0.2901 - 0.5901\]\\tSes01F_impro01"),
        ("_F000\tneu", "_F000", "line 3: .* is not `"),
        ("01_F000", "01_X000", "line 3: .* is not `"),
        ("Ses01F_impro01_F000", "Ses02F_impro01_F000", "line 3: .* is not `"),
        ("\tneu\t", "\tnue\t", "line 3: 'nue' is none of the emotions neu,"),
        ("F001\thap", "F000\thap", "line 11: .*F000 is listed twice"),
        ("F001\thap", "F017\thap", "line 11: the audio file .*F017.wav is m"),
    ],
)
def test_wrong_line(prepare, old, new, message, tmp_path):
    """The message names the line, the value and what is wrong with it."""
    root = make_iemocap(tmp_path)
    path = root / EVALUATION
    text = path.read_text(encoding="latin-1")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="latin-1")
    with pytest.raises(InputError, match=message):
        prepare(root, tmp_path / "save")


def test_wrong_folder(data, prepare, tmp_path):
    """A fold or a folder that there is not, or not all of it."""
    with pytest.raises(InputError, match="fold=0 .* folds 1 to 10"):
        prepare(data, tmp_path, 0)
    with pytest.raises(InputError, match="nowhere is no folder"):
        prepare("/nowhere", tmp_path)
    with pytest.raises(InputError, match="holds no Session1.*it has: dialog"):
        prepare(str(data / "Session1"), tmp_path)
    root = make_iemocap(tmp_path)
    for path in root.glob("Session1/dialog/EmoEvaluation/Ses*.txt"):
        lines = path.read_text(encoding="latin-1").split("\n")
        kept = [line for line in lines if "\tsad\t" not in line]
        path.write_text("\n".join(kept), encoding="latin-1")
    with pytest.raises(InputError, match="Ses01F has no turn that is sad"):
        prepare(root, tmp_path)
    for path in root.glob("Session4/dialog/EmoEvaluation/Ses*.txt"):
        path.unlink()
    with pytest.raises(InputError, match="Session4.* has no .*txt"):
        prepare(root, tmp_path)
    (root / "Session3").rename(root / "Session6")
    with pytest.raises(InputError, match="Session3.* is missing: unpack"):
        prepare(root, tmp_path)


def test_missing_and_broken_audio(prepare, tmp_path):
    """Both are found before training starts; left-out turns are not read."""
    turn = "Ses01F_impro01_M003"
    root = make_iemocap(tmp_path, missing=turn)
    with pytest.raises(InputError, match=f"line 31: .*{turn}.wav is missing"):
        prepare(root, tmp_path / "save")
    folder = root / "Session1" / "sentences" / "wav" / "Ses01F_impro01"
    (folder / f"{turn}.wav").write_bytes(truncated_wav())
    with pytest.raises(InputError, match=f"{turn}.wav is truncated"):
        prepare(root, tmp_path / "save")
    left_out = make_iemocap(tmp_path / "b", missing="Ses01F_impro01_F006")
    prepare(left_out, tmp_path / "save")


def test_accuracies():
    """As scikit-learn computes them."""
    draw = torch.Generator().manual_seed(0)
    predicted, targets = torch.randint(0, 4, (2, 500), generator=draw)
    weighted = MulticlassAccuracy(4, average="micro")(predicted, targets)
    unweighted = MulticlassAccuracy(4, average="macro")(predicted, targets)
    recall = recall_score(targets, predicted, average="macro")
    assert weighted.item() == pytest.approx(accuracy_score(targets, predicted))
    assert unweighted.item() == pytest.approx(recall)


def test_train(data, tmp_path):
    """One method from files to result."""
    result = train(NAME, data, tmp_path, "--epochs=2", "--debug", "--fold=4")
    assert result["dataset"] == "IEMOCAP" and result["fold"] == 4
    assert result["select"] == "UA"
    assert result["metrics"].keys() == {"loss", "WA", "UA"}


def test_few_shots(data, tmp_path):
    """Fewer turns to train on."""
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
    """The training turns can be learned by heart."""
    more = ["--epochs=40", "--lr=0.003"]
    result = train(NAME, data, tmp_path, *more, method="full")
    assert result["history"][-1]["train"]["UA"] > 0.9


if __name__ == "__main__":
    make_iemocap(sys.argv[1])
