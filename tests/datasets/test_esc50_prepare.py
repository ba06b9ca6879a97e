"""ESC-50's prepare.py: protocols, the download, the wrong data."""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from layouts import CLASSES, ESC10, FOLDS, make_esc50, make_urbansound8k
from running import load_train
from speechbrain_petl import InputError
from speechbrain_petl.data.releases import split_folds


@pytest.fixture(scope="module")
def prepare():
    """ESC-50's prepare.py as a module."""
    load_train()
    return sys.modules["prepare"]


def splits_of(manifests):
    """split -> entries."""
    return {k: json.loads(Path(p).read_text()) for k, p in manifests.items()}


def changed(source, folder, *edits):
    """A copy of a data set whose csv had (old, new) replaced in turn."""
    root = shutil.copytree(source, folder / "ESC-50-master")
    path = root / "meta" / "esc50.csv"
    text = path.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return root


@pytest.mark.parametrize("protocol", ["3-1-1", "4-1"])
@pytest.mark.parametrize("fold", FOLDS)
def test_folds(prepare, esc50, tmp_path, fold, protocol):
    found = splits_of(
        prepare.prepare_esc50(
            str(esc50), str(tmp_path), fold, protocol, esc10=True
        )
    )
    names = ["train", "valid", "test"] if protocol == "3-1-1" else None
    assert list(found) == (names or ["train", "test"])
    folds = {
        k: {e["fold"] for e in split.values()} for k, split in found.items()
    }
    assert folds["test"] == {fold}
    assert [len(f) for f in folds.values()] == list(
        map(int, protocol.split("-"))
    )
    clips = [e["wav"] for split in found.values() for e in split.values()]
    assert len(clips) == len(set(clips)) == len(FOLDS) * len(ESC10)
    recordings = [{k.split("-")[1] for k in s} for s in found.values()]
    assert sum(map(len, recordings)) == len(set.union(*recordings))
    for split in found.values():
        assert list(split) == sorted(split)
        assert {e["label"] for e in split.values()} == set(ESC10.values())
        assert all(os.path.isfile(e["wav"]) for e in split.values())
        assert all(e["duration"] > 0 for e in split.values())


def test_every_fold_is_validated_and_tested_once():
    clips = {fold: {"fold": fold} for fold in FOLDS}
    splits = [split_folds(clips, fold, FOLDS, validate=True) for fold in FOLDS]
    for name in ("valid", "test"):
        assert sorted(f for s in splits for f in s[name]) == list(FOLDS)


def test_again_is_the_same(prepare, esc50, tmp_path):
    """Idempotent, and the folder above the data will do."""
    texts = []
    for folder in (esc50, esc50.parent, esc50):
        manifests = prepare.prepare_esc50(
            str(folder), str(tmp_path / "save"), fold=2, esc10=True
        )
        texts.append([Path(p).read_text() for p in manifests.values()])
    assert texts[0] == texts[1] == texts[2]


def test_fifty_classes_and_the_ten_of_them(prepare, tmp_path):
    root = make_esc50(tmp_path, classes=CLASSES, odd=False)
    for esc10, classes in ((False, CLASSES), (True, len(ESC10))):
        found = splits_of(
            prepare.prepare_esc50(str(root), str(tmp_path), 1, esc10=esc10)
        )
        for split, folds in (("train", 3), ("valid", 1), ("test", 1)):
            assert len(found[split]) == folds * classes
            labels = {e["label"] for e in found[split].values()}
            assert len(labels) == classes
            assert not esc10 or labels == set(ESC10.values())


def test_download(prepare, esc50, tmp_path):
    """An archive of the official layout, and only if asked for."""
    archive = shutil.make_archive(
        str(tmp_path / "official"), "zip", esc50.parent, esc50.name
    )
    assert archive.endswith(".zip")
    target = tmp_path / "new" / "data"
    where = {"data_folder": str(target), "save_folder": str(tmp_path / "s")}
    options = {"fold": 1, "esc10": True, "url": archive}
    with pytest.raises(InputError, match="add --download=True"):
        prepare.prepare_esc50(**where, **options)
    assert not target.exists()
    options["download"] = True
    first = splits_of(prepare.prepare_esc50(**where, **options))
    assert len(first["train"]) == 30
    os.remove(archive)  # not fetched again
    assert splits_of(prepare.prepare_esc50(**where, **options)) == first


@pytest.mark.parametrize(
    "content, what", [(None, "fetched"), (b"half of an archive", "unpacked")]
)
def test_download_that_fails(prepare, tmp_path, content, what):
    archive = tmp_path / "official.zip"
    if content:
        archive.write_bytes(content)
    with pytest.raises(InputError, match=f"official.zip could not be {what}"):
        prepare.prepare_esc50(
            str(tmp_path / "data"),
            str(tmp_path),
            download=True,
            url=str(archive),
        )


def test_wrong_folder(prepare, esc50, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    other = make_urbansound8k(tmp_path)
    for folder, words in (
        (tmp_path / "nowhere", "is no folder"),
        (tmp_path / "file", "is no folder"),
        (tmp_path / "empty", "it has: nothing"),
        (other, "it has: audio, metadata"),
        (esc50 / "audio", "holds no meta/esc50.csv"),
    ):
        with pytest.raises(InputError, match=f"{folder} .*{words}.*official"):
            prepare.prepare_esc50(str(folder), str(tmp_path / "s"))


@pytest.mark.parametrize(
    "edits, words",
    [
        ([("filename,fold", "filename,flod")], "no column fold"),
        ([(",1,0,dog", ",6,0,dog")], "line 2: .*fold=6"),
        ([(",3,10,rain", ",x,10,rain")], "line 24: .*3-3002.* fold=x"),
        ([("\n3-3002", "\n\n3-3002"), (",3,10,", ",x,10,")], "line 25: "),
        ([(",3,10,rain", ",3,10")], "line 24: 6 values for 7 columns"),
        ([("3,0,dog,True", "3,0,dog,yes")], "line 22: .* esc10=yes, not"),
        ([("1-1000-A-0.wav", "")], "line 2: filename is empty"),
        ([("2-2000-A-0.wav", "1-1000-A-0.wav")], "line 12: .* listed twice"),
        (
            [("2-2000-A-0.wav", "2-9-A-0.wav")],
            "line 12: the audio file .* is mi",
        ),
        ([("dog", "rooster")], "has 9 of 10 classes"),
        ([(",1,0,dog", ",1,0,rain")], "fold 1 has no clip of dog"),
    ],
)
def test_wrong_csv(prepare, esc50, tmp_path, edits, words):
    root = changed(esc50, tmp_path, *edits)
    with pytest.raises(InputError, match=f"esc50.csv.*{words}"):
        prepare.prepare_esc50(str(root), str(tmp_path / "s"), esc10=True)


def test_a_csv_that_is_none(prepare, esc50, tmp_path):
    root = changed(esc50, tmp_path)
    for content in (b"", bytes(range(256)) * 4, b"\xff\xfe\x00"):
        (root / "meta" / "esc50.csv").write_bytes(content)
        with pytest.raises(InputError, match="esc50.csv") as error:
            prepare.prepare_esc50(str(root), str(tmp_path / "s"))
        assert "\n" not in str(error.value)


def test_wrong_options(prepare, esc50, tmp_path):
    where = str(esc50), str(tmp_path)
    for fold in (0, 7, None, "a"):
        with pytest.raises(InputError, match=f"fold={fold} .* folds 1 to 5"):
            prepare.prepare_esc50(*where, fold=fold)
    with pytest.raises(InputError, match="'5-5' is not one of 3-1-1, 4-1"):
        prepare.prepare_esc50(*where, protocol="5-5")
    with pytest.raises(InputError, match="10 of 50 classes. Add --esc10=True"):
        prepare.prepare_esc50(*where)


def test_the_data_is_only_read(prepare, esc50, tmp_path):
    def state():
        files = sorted(p for p in esc50.rglob("*") if p.is_file())
        return {p: hashlib.md5(p.read_bytes()).digest() for p in files}

    before = state()
    prepare.prepare_esc50(str(esc50), str(tmp_path), esc10=True)
    assert state() == before
