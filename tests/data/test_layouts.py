"""Own data: every layout reads alike; what is wrong is said at once."""

import json
import shutil
import zipfile

import pytest
from labelled_sounds import (
    LABELS,
    WRITERS,
    as_ast_json,
    as_json_lines,
    write_sounds,
    write_table,
)
from layouts import truncated_wav
from speechbrain_petl import InputError
from speechbrain_petl.data.labelled import prepare_labelled
from speechbrain_petl.data.layouts import read_clips


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of class folders, and the rows of a table of them."""
    root = tmp_path_factory.mktemp("data") / "sounds"
    return root, write_sounds(root)


@pytest.fixture
def copy(sounds, tmp_path):
    """The same, to write into."""
    root = tmp_path / "sounds"
    shutil.copytree(sounds[0], root)
    return root, sounds[1]


def manifests(root, save, **options):
    """split -> entries, with paths below the folder."""
    paths = prepare_labelled(root, save, window=1.0, **options)
    texts = {
        split: open(path).read().replace(str(root), "")
        for split, path in paths.items()
    }
    return {split: json.loads(text) for split, text in texts.items()}


def files(entries):
    """The ids of the clips of a split."""
    return {entry["file"] for entry in entries.values()}


@pytest.mark.parametrize("write", WRITERS, ids=lambda w: w.__name__)
def test_every_layout_gives_the_same_manifest(write, sounds, copy, tmp_path):
    """And nothing is written into the folder of the user."""
    root, rows = copy
    write(root, rows)
    before = sorted(root.rglob("*"))
    given = manifests(root, tmp_path / "b")
    assert given == manifests(sounds[0], tmp_path / "a")
    assert sorted(root.rglob("*")) == before
    assert {len(files(e)) for e in given.values()} == {18, 6}


@pytest.mark.parametrize("names", [("train", "val", "test"), ("train", "Test")])
def test_split_folders(names, sounds, tmp_path):
    """As they are; a validation set that is missing is dealt."""
    root = tmp_path / "sounds"
    for name in names:
        for label in LABELS:
            for source in sorted((sounds[0] / label).iterdir()):
                number = int(source.stem)
                part = 0 if number < 6 else number % (len(names) - 1) + 1
                if names[part] == name:
                    (root / name / label).mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, root / name / label)
    splits = manifests(root, tmp_path / "save")
    assert {i.split("/")[0] for i in files(splits["test"])} == {names[-1]}
    expected = "val" if "val" in names else "train"
    assert {i.split("/")[0] for i in files(splits["valid"])} == {expected}
    assert not files(splits["train"]) & files(splits["valid"])


@pytest.mark.parametrize("fold", range(1, 6))
def test_groups_are_not_divided(fold, copy, tmp_path):
    """A speaker with several labels is in one split, and has all of them."""
    root, rows = copy
    table = [(n, x, f"s{int(n[-7:-4]) % 5}") for n, x in rows]
    write_table(root / "clips.csv", ["path", "label", "Speaker"], table)
    splits = manifests(root, tmp_path / "save", fold=fold)
    groups = {
        split: {entry["group"] for entry in entries.values()}
        for split, entries in splits.items()
    }
    assert (
        sum(map(len, groups.values())) == 5 == len(set.union(*groups.values()))
    )
    for entries in splits.values():
        assert {entry["labels"][0] for entry in entries.values()} == set(LABELS)


def test_every_clip_is_tested_once(sounds, tmp_path):
    """By all folds together; another seed deals otherwise."""
    tests = [
        files(manifests(sounds[0], tmp_path, fold=fold)["test"])
        for fold in range(1, 6)
    ]
    assert len(set.union(*tests)) == sum(map(len, tests)) == 30
    other = manifests(sounds[0], tmp_path, split_seed=2)["test"]
    assert files(other) != tests[0]


def test_parts_of_recordings(copy, tmp_path, caplog):
    """start and stop in seconds; parts of one file stay together."""
    root, rows = copy
    parts = [("0", "0.1"), ("0.1", "")]
    table = [(n, x, *part) for n, x in rows for part in parts]
    head = ["path", "label", "Begin Time (s)", "End Time (s)"]
    write_table(root / "clips.csv", head, table)
    splits = manifests(root, tmp_path / "save")
    entries = [e for split in splits.values() for e in split.values()]
    assert len(entries) == 60
    assert "stop long after" not in caplog.text
    table = [(n, x, 0, 900 if i else 0.2) for i, (n, x) in enumerate(rows)]
    write_table(root / "clips.csv", head, table)
    manifests(root, tmp_path / "late")
    assert "parts stop long after their files do, such as" in caplog.text
    assert "in seconds?" in caplog.text
    assert {(e["start"], e["stop"]) for e in entries} >= {(0.0, 0.1)}
    wavs = [{e["wav"] for e in split.values()} for split in splits.values()]
    assert sum(map(len, wavs)) == 30


@pytest.mark.parametrize(
    "times, part",
    [
        ({"onset": 0.2, "offset": 0.5}, (0.2, 0.5)),
        ({"offset": 0.2, "duration": 0.3}, (0.2, 0.5)),  # of NeMo
        ({"Begin Time (s)": 0.2, "Length": 0.3}, (0.2, 0.5)),
        ({"start": 0.2, "end": 0.5, "duration": 1.0}, (0.2, 0.5)),
        ({"duration": 0.3}, (None, None)),  # the file's
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_names_of_times(times, part, kind, copy):
    root, rows = copy
    name, label = rows[0][:2]
    row = {"path": name, "label": label, **times}
    table = root / f"clips.{kind}"
    if kind == "csv":
        cells = [map(str, line) for line in (row, row.values())]
        table.write_text("\n".join(map(",".join, cells)))
    else:
        table.write_text(json.dumps(row))
    (clip,) = read_clips(table)
    assert (clip["start"], clip["stop"]) == part


def test_several_labels(copy, tmp_path):
    """For tagging only; elsewhere a comma is part of a name."""
    root, rows = copy
    table = [(n, f"{x}, any") for n, x in rows]
    write_table(root / "clips.csv", ["path", "tags"], table)
    clips = read_clips(root, tagging=True)
    assert clips[0]["labels"] == ["any", "cat"]
    assert read_clips(root)[0]["labels"] == ["cat, any"]
    lines = [json.dumps({"file_name": n, "labels": [x, "b"]}) for n, x in rows]
    (root / "metadata.jsonl").write_text("\n".join(lines))
    with pytest.raises(
        InputError, match="30 clips have several .*tagging=True"
    ):
        prepare_labelled(root, tmp_path / "save", 1.0)


def test_copies_stay_together(copy, tmp_path, caplog):
    """Whatever they are called; in splits of the data they are an error."""
    root, rows = copy
    first = root / rows[0][0]
    for number in range(4):
        shutil.copy(first, root / "cat" / f"copy{number}.wav")
    shutil.copy(first, root / "dog" / "other.wav")
    for fold in range(1, 6):
        splits = manifests(root, tmp_path / "save", fold=fold)
        same = [
            split
            for split, entries in splits.items()
            for i in files(entries)
            if "copy" in i or i == rows[0][0] or "other" in i
        ]
        assert len(same) == 6 and len(set(same)) == 1
    assert "same sound, with different labels" in caplog.text
    table = [
        (n, x, ("train", "dev", "eval")[i % 3]) for i, (n, x) in enumerate(rows)
    ]
    table.append(("cat/copy1.wav", "cat", "eval"))
    write_table(root / "clips.csv", ["path", "label", "subset"], table)
    message = (
        "cat/000.wav in train and cat/copy1.wav in test are the same sound"
    )
    with pytest.raises(InputError, match=message):
        manifests(root, tmp_path / "other")


def test_all_that_is_wrong_at_once(copy, tmp_path):
    """The first ten and a count, each with its line."""
    root, rows = copy
    table = [[n, x, "train"] for n, x in rows]
    table[0][0] = "cat/none.wav"
    table[1][2] = "holdout"
    table[2][0] = "../other.wav"
    write_table(root / "clips.csv", ["path", "label", "split"], table)
    message = (
        "clips.csv: line 2: .*none.wav is missing; line 3: split=holdout is not "
        "one of train, valid, test; line 4: .*other.wav leads out of"
    )
    with pytest.raises(InputError, match=message):
        read_clips(root)
    table = [[f"no{i}.wav", "a"] for i in range(12)]
    write_table(root / "clips.csv", ["path", "label"], table)
    with pytest.raises(InputError, match="no9.wav is missing; and 2 more"):
        read_clips(root)
    write_table(root / "clips.csv", ["path", "label"], rows + rows[:1])
    with pytest.raises(InputError, match="line 32: .*is that of .*line 2 too"):
        read_clips(root)


def test_broken_files_at_once(copy, tmp_path):
    """Of all splits, before any training."""
    root, rows = copy
    for name, _ in rows[:2]:
        (root / name).write_bytes(truncated_wav() + name.encode())
    table = [
        (n, x, ("train", "valid", "test")[i % 10 % 3])
        for i, (n, x) in enumerate(rows)
    ]
    table[1] = (*rows[1], "train")
    write_table(root / "clips.csv", ["path", "label", "split"], table)
    with pytest.raises(InputError, match="000.wav is truncated.*001.wav is tr"):
        manifests(root, tmp_path / "save")
    table[1] = (*rows[1], "test")
    write_table(root / "clips.csv", ["path", "label", "split"], table)
    with pytest.raises(InputError, match="000.wav is .*; test.json: .*001.wav"):
        manifests(root, tmp_path / "save")


def test_small_classes_are_named(copy, tmp_path, caplog):
    """Too few for the splits: an error; for the folds: a line of the log."""
    root, rows = copy
    rows = [row for row in rows if row[0] < "owl/002.wav"]
    write_table(root / "clips.csv", ["path", "label"], rows)
    with pytest.raises(
        InputError, match="3 splits need clips .*: owl has 2 clips"
    ):
        manifests(root, tmp_path / "save")
    rows.append(("owl/005.wav", "owl"))
    write_table(root / "clips.csv", ["path", "label"], rows)
    splits = manifests(root, tmp_path / "save")
    assert "owl" in {e["labels"][0] for e in splits["train"].values()}
    assert "1 of 3 classes have fewer than 5 clips" in caplog.text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"fold": 6}, "folds=5, fold=6: give 3 folds or more"),
        ({"folds": 2}, "folds=2, fold=1: give 3 folds or more"),
        ({"table": "no.csv"}, r"holds no no.csv \(it has: cat, dog, owl\)"),
    ],
)
def test_wrong_options(options, message, sounds, tmp_path):
    """One line each."""
    with pytest.raises(InputError, match=message):
        manifests(sounds[0], tmp_path, **options)


def test_wrong_folders(copy, tmp_path):
    """They say what would be read."""
    root, rows = copy
    with pytest.raises(
        InputError, match="is no folder. Give one that holds a f"
    ):
        read_clips(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="a folder for each class"):
        read_clips(tmp_path / "empty")
    for name in ("a.csv", "b.csv"):
        write_table(root / name, ["path", "label"], rows)
    with pytest.raises(
        InputError, match="several tables of clips: a.csv, b.csv"
    ):
        read_clips(root)
    assert (
        len(read_clips(root, "b.csv")) == len(read_clips(root / "a.csv")) == 30
    )
    with pytest.raises(InputError, match="has the label cat only"):
        write_table(root / "one.csv", ["path", "label"], rows[:10])
        prepare_labelled(root / "one.csv", tmp_path / "save", 1.0)


def test_a_table_of_something_else(copy):
    """It is not passed over silently, unless one says so."""
    root, rows = copy
    write_table(root / "a.csv", ["File", "Noise"], rows)
    with pytest.raises(InputError, match="no column label. .* File, Noise"):
        read_clips(root)
    write_table(root / "a.csv", ["pth", "Label"], rows)
    with pytest.raises(InputError, match="no column path. .* pth, Label"):
        read_clips(root)
    assert len(read_clips(root, ".")) == 30
    write_table(root / "a.csv", ["Name", "Noise"], rows)
    assert len(read_clips(root)) == 30


def test_long_recordings_swamp_nothing(copy, tmp_path):
    """At most so many windows of a training clip, spread over it."""
    root, _ = copy
    splits = prepare_labelled(root, tmp_path, 0.05, max_windows=2)
    counts = {}
    for split, path in splits.items():
        entries = json.loads(open(path).read())
        counts[split] = len(entries) / len(files(entries))
    assert counts["train"] == 2 < counts["test"]


def test_labels_that_are_numbers(copy, tmp_path):
    """0 is a label, and a speaker, as Hugging Face's json has them."""
    root, rows = copy
    lines = [
        {"file_name": n, "label": LABELS.index(x), "speaker": i % 5}
        for i, (n, x) in enumerate(rows)
    ]
    table = root / "metadata.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)))
    clips = read_clips(root)
    assert [clip["labels"] for clip in clips[::10]] == [["0"], ["1"], ["2"]]
    assert {clip["group"] for clip in clips} == set("01234")
    lines[3]["label"] = ""
    lines[4]["file_name"] = 7
    table.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(
        InputError, match="line 4: has no label.* line 5: path=7 is no name"
    ):
        read_clips(root)


@pytest.mark.parametrize("write", [as_json_lines, as_ast_json])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_json_of_any_encoding(write, encoding, copy):
    """As for csv files; a line separator of Unicode ends no line."""
    root, rows = copy
    write(root, [(n, x.replace("owl", "dog")) for n, x in rows])
    for path in root.glob("*.json*"):
        text = path.read_text().replace('"cat"', '"Kätz"')
        text = text.replace("/m/01yrx", "Kätz")
        if encoding == "utf-16":
            text = text.replace("ä", "ä\u2028")
        path.write_bytes(text.encode(encoding))
    labels = {
        clip["labels"][0].replace("\u2028", "") for clip in read_clips(root)
    }
    assert labels == {"Kätz", "dog"}


def test_what_is_passed_over_is_said(copy, tmp_path, caplog):
    """A table without paths, sounds in no folder, a folder too high."""
    root, rows = copy
    write_table(root / "digits.csv", ["Datei", "Klasse"], rows)
    shutil.copy(root / rows[0][0], root / "loose.wav")
    (root / "notes.txt").write_text("some words")
    assert len(read_clips(root)) == 30
    assert "digits.csv are not read, for no column is" in caplog.text
    assert "notes.txt" not in caplog.text
    assert "1 sounds are left out, as they lie in no folder" in caplog.text
    with pytest.raises(InputError, match="Does .*sounds hold the folders of"):
        prepare_labelled(root.parent, tmp_path / "save", 1.0)


@pytest.mark.parametrize("name", ["sounds.xlsx", "cat/000.wav"])
def test_what_is_no_text(name, copy):
    """A workbook, or a sound, in the place of a table."""
    root, _ = copy
    if name.endswith("xlsx"):
        with zipfile.ZipFile(root / name, "w") as book:
            book.writestr("sheet.xml", "path label")
    with pytest.raises(InputError, match=f"{name} is no table of text: save"):
        read_clips(root / name)
