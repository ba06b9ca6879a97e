"""Spoken digits: speakers, the official split, the download, and training."""

import shutil
import sys
from pathlib import Path

import pytest
from layouts import truncated_wav
from layouts_spoken_digits import INDICES, SPEAKERS, make_spoken_digits
from speechbrain_petl import InputError
from tiny_runs import load_prepare, methods_of, read_manifests, train

NAME = "SpokenDigits"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set."""
    return make_spoken_digits(tmp_path_factory.mktemp("data"))


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_spoken_digits


@pytest.mark.parametrize("fold", range(1, 7))
def test_speakers(data, prepare, fold, tmp_path):
    """One tests, the next validates, four train; each tests once."""
    splits = read_manifests(prepare(data, tmp_path, fold))
    speakers = {
        s: {e["speaker"] for e in x.values()} for s, x in splits.items()
    }
    test, valid = SPEAKERS[fold - 1], SPEAKERS[fold % 6]
    assert speakers["test"] == {test} and speakers["valid"] == {valid}
    assert speakers["train"] == set(SPEAKERS) - {test, valid}
    assert [len(splits[s]) for s in ("train", "valid", "test")] == [
        4 * 10 * len(INDICES),
        *[10 * len(INDICES)] * 2,
    ]
    for items in splits.values():
        assert list(items) == sorted(items)
        assert {e["label"] for e in items.values()} == set("0123456789")
        assert all(k[0] == e["label"] for k, e in items.items())


def test_official_split(data, prepare, tmp_path):
    """The first five recordings test, nothing validates."""
    splits = read_manifests(prepare(data, tmp_path, protocol="official"))
    assert {e["index"] for e in splits["test"].values()} == {0, 4}
    assert {e["index"] for e in splits["train"].values()} == {5}
    assert "valid" not in splits


def test_folders(data, prepare, tmp_path):
    """The one that holds recordings, and the one above; nothing changes."""
    texts = []
    for folder in (data, data.parent):
        paths = prepare(str(folder), str(tmp_path)).values()
        texts.append([Path(path).read_bytes() for path in paths])
    assert texts[0] == texts[1]


def test_download(data, prepare, tmp_path):
    """From an archive, once."""
    name = data.name
    made = shutil.make_archive(
        str(tmp_path / "v1.0.10"), "zip", data.parent, name
    )
    folder = tmp_path / "new"
    paths = prepare(folder, tmp_path / "a", download=True, url=made)
    assert (folder / name / "recordings" / "0_theo_5.wav").is_file()
    Path(made).unlink()
    again = prepare(folder, tmp_path / "b", download=True, url=made)
    assert read_manifests(paths) == read_manifests(again)
    module = load_prepare(NAME)
    assert module.URL.endswith("/refs/tags/v1.0.10.zip")
    assert module.ROOT == name


def test_tells_what_differs(data, prepare, tmp_path, caplog):
    prepare(data, tmp_path)
    assert "has 180 recordings, version 1.0.10 has 3000" in caplog.text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"fold": 7}, "fold=7 does not exist: protocol=speakers has 6"),
        ({"fold": 2, "protocol": "official"}, "protocol=official has 1"),
        ({"protocol": "4-1"}, "'4-1' is not one of speakers, official"),
    ],
)
def test_wrong_options(data, prepare, options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        prepare(data, tmp_path, **options)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("3_theo_4", "3_thea_4", "3_thea_4.wav is no recording"),
        ("3_theo_4", "three_theo_4", "three_theo_4.wav is no recording"),
        ("3_theo_?", None, "theo has no recording of 3"),
        ("*", None, "george has no recording of 0, 1"),
    ],
)
def test_wrong_recordings(prepare, old, new, message, tmp_path):
    """Names of others, and digits that nobody says."""
    root = make_spoken_digits(tmp_path)
    for path in (root / "recordings").glob(f"{old}.wav"):
        path.rename(path.with_stem(new)) if new else path.unlink()
    with pytest.raises(InputError, match=message):
        prepare(root, tmp_path / "save")


def test_wrong_folder(prepare, tmp_path):
    """A folder that there is not, and audio that is not whole."""
    with pytest.raises(InputError, match="--download=True to fetch it"):
        prepare("/nowhere", tmp_path)
    root = make_spoken_digits(tmp_path)
    (root / "recordings" / "0_theo_0.wav").write_bytes(truncated_wav())
    with pytest.raises(InputError, match="0_theo_0.wav is truncated"):
        prepare(root, tmp_path / "save")


@pytest.mark.parametrize("protocol, folds", [("speakers", 6), ("official", 1)])
def test_train(data, tmp_path, protocol, folds):
    """One method from files to result."""
    more = f"--protocol={protocol}", "--epochs=1", "--debug", "--shots=4"
    result = train(NAME, data, tmp_path, *more)
    assert result["dataset"] == "Spoken digits"
    assert result["protocol"] == protocol and result["folds"] == folds
    assert result["metrics"].keys() == {"loss", "accuracy"}


@pytest.mark.slow
@pytest.mark.parametrize("method", methods_of(NAME))
def test_every_method(data, tmp_path, method):
    """Each method file trains."""
    result = train(NAME, data, tmp_path, "--epochs=1", "--debug", method=method)
    assert result["method"] == method


if __name__ == "__main__":
    make_spoken_digits(sys.argv[1])
