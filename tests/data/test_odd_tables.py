"""Tables as people and programs have them: what is meant is read, or asked for."""

import json
import shutil
import unicodedata

import pytest
from labelled_sounds import as_ast_json, write_sounds, write_table
from speechbrain_petl import InputError
from speechbrain_petl.data.labelled import prepare_labelled
from speechbrain_petl.data.layouts import read_clips

HEAD = ["path", "label"]


@pytest.fixture
def sounds(tmp_path):
    """A folder of sounds, and the rows of a table of them."""
    root = tmp_path / "sounds"
    return root, write_sounds(root, clips=4)


def labels_of(clips):
    """All labels."""
    return {label for clip in clips for label in clip["labels"]}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-be", "utf-16-le"])
def test_letters_of_windows(encoding, sounds):
    """Quotes that Latin-1 lacks; UTF-16 in either order."""
    root, rows = sounds
    lines = ["path,label", *(f"{n},{x}’s €" for n, x in rows)]
    mark = "\ufeff" if "utf" in encoding else ""
    text = (mark + "\n".join(lines)).encode(encoding)
    (root / "clips.csv").write_bytes(text)
    assert labels_of(read_clips(root)) == {"cat’s €", "dog’s €", "owl’s €"}


@pytest.mark.parametrize("nothing", ["", "nan", "NaN", "<NA>", "None", "null"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_nothing_is_no_name(nothing, kind, sounds):
    """As pandas writes it: no group, no split, no time."""
    root, rows = sounds
    more = ["speaker", "split", "start", "stop"]
    table = [[n, x, *[nothing] * len(more)] for n, x in rows]
    if kind == "csv":
        write_table(root / "clips.csv", [*HEAD, *more], table)
    else:
        value = float("nan") if nothing == "nan" else None
        head = ["path", "label", *more]
        lines = [[n, x, *[value] * len(more)] for n, x in rows]
        lines = [json.dumps(dict(zip(head, line))) for line in lines]
        (root / "clips.jsonl").write_text("\n".join(lines))
    clips = read_clips(root)
    keys = "group", "split", "start", "stop"
    assert len(clips) == 12
    assert all(clip[key] is None for clip in clips for key in keys)


@pytest.mark.parametrize("label", ["nan", "NaN", "<NA>", ""])
def test_a_label_that_is_missing(label, sounds):
    root, rows = sounds
    table = [[n, label if i == 3 else x] for i, (n, x) in enumerate(rows)]
    write_table(root / "clips.csv", HEAD, table)
    with pytest.raises(InputError, match="line 5: label is empty"):
        read_clips(root)


@pytest.mark.parametrize("label", [{"a": "b"}, ["a", None], float("nan")])
def test_what_json_has_for_a_label(label, sounds):
    root, rows = sounds
    row = json.dumps({"file_name": rows[0][0], "label": label})
    (root / "metadata.jsonl").write_text(row)
    with pytest.raises(InputError, match="line 1: label=.* is no name"):
        read_clips(root)


@pytest.mark.parametrize("sign", "|;,")
def test_tags_without_tagging(sign, sounds, tmp_path):
    """Names that are elsewhere with others are no name together."""
    root, rows = sounds
    table = [
        (n, f"{x}{sign} any" if i % 2 else x) for i, (n, x) in enumerate(rows)
    ]
    write_table(root / "clips.csv", HEAD, table)
    with pytest.raises(InputError, match="6 of 12 cells .* as cat.*tagging=Tr"):
        read_clips(root)
    assert labels_of(read_clips(root, tagging=True)) == {
        "cat",
        "dog",
        "owl",
        "any",
    }


@pytest.mark.parametrize(
    "names",
    [
        {"cat": "Bee, wasp, etc.", "dog": "Dog", "owl": "Hoot, owl"},
        {"cat": "on|lights", "dog": "off|lights", "owl": "on|music"},
        {"cat": "animal|cat", "dog": "animal|dog", "owl": "animal"},
        {"cat": "AC/DC; live", "dog": "AC/DC", "owl": "[noise]"},
    ],
)
def test_names_that_hold_a_sign(names, sounds):
    """They are one name each."""
    root, rows = sounds
    write_table(root / "clips.csv", HEAD, [(n, names[x]) for n, x in rows])
    assert labels_of(read_clips(root)) == set(names.values())


def test_lists_in_cells(sounds, tmp_path):
    """As pandas writes a column of lists."""
    root, rows = sounds
    table = [(n, str([x, "any"])) for n, x in rows]
    write_table(root / "clips.csv", HEAD, table)
    assert labels_of(read_clips(root, tagging=True)) == {
        "cat",
        "dog",
        "owl",
        "any",
    }
    with pytest.raises(InputError, match="12 clips have several labels"):
        prepare_labelled(root, tmp_path / "save", 1.0)


def test_delimiters_at_the_end(sounds):
    """Of rows alone: what is empty has no name."""
    root, rows = sounds
    lines = ["path,label", *(f"{n},{x},," for n, x in rows)]
    (root / "clips.csv").write_text("\n".join(lines))
    assert len(read_clips(root)) == 12


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_of_macos(forms, sounds):
    """A letter and its accent are one character, or two."""
    root, rows = sounds
    there, said = (unicodedata.normalize(form, "Käuz") for form in forms)
    (root / "owl").rename(root / there)
    table = [(n.replace("owl", said), x) for n, x in rows]
    write_table(root / "clips.csv", HEAD, table)
    assert len(read_clips(root)) == 12


def test_a_table_beside_the_sounds(sounds):
    """audio/*.wav and meta/clips.csv: the line says how to give them."""
    root, rows = sounds
    (root / "meta").mkdir()
    table = root / "meta" / "clips.csv"
    write_table(table, HEAD, [(n[4:], x) for n, x in rows if x == "cat"])
    with pytest.raises(
        InputError, match="meta holds no .*--table=meta/clips.csv"
    ):
        read_clips(root)
    with pytest.raises(
        InputError, match="missing.*_folder=FOLDER --table=TABLE"
    ):
        read_clips(table)
    shutil.rmtree(root / "dog"), shutil.rmtree(root / "owl")
    assert len(read_clips(root, "meta/clips.csv")) == 4


def test_folders_that_are_left_out(sounds, caplog):
    root, _ = sounds
    (root / "owl").rename(root / "_owl_")
    (root / "__MACOSX").mkdir()
    assert labels_of(read_clips(root)) == {"cat", "dog"}
    assert caplog.text.rstrip().endswith("begin with _: _owl_")


def test_one_group(sounds, tmp_path):
    """Nothing can be dealt; the line has a way out."""
    root, rows = sounds
    write_table(root / "a.csv", [*HEAD, "room"], [(*row, 1) for row in rows])
    assert {clip["group"] for clip in read_clips(root)} == {None}
    write_table(root / "a.csv", [*HEAD, "speaker"], [(*row, 1) for row in rows])
    with pytest.raises(InputError, match="cat has 1 groups.*drop the column"):
        prepare_labelled(root, tmp_path / "save", 1.0)


@pytest.mark.parametrize("given", ["../sounds", ".", "./../sounds/a.csv"])
def test_relative_folders(given, sounds, monkeypatch):
    """From wherever one is, clips are called the same."""
    root, rows = sounds
    write_table(root / "a.csv", HEAD, rows)
    clips = read_clips(root)
    monkeypatch.chdir(root)
    if given != ".":
        (root.parent / "work").mkdir()
        monkeypatch.chdir(root.parent / "work")
    assert [clip["id"] for clip in read_clips(given)] == [n for n, _ in rows]
    assert [clip["wav"] for clip in read_clips(given)] == [
        clip["wav"] for clip in clips
    ]


def test_labels_without_a_name(sounds, caplog):
    """Of the AST's json: the table of the classes lacks one."""
    root, rows = sounds
    as_ast_json(root, rows)
    table = root / "class_labels_indices.csv"
    table.write_text(table.read_text().rsplit("\n", 2)[0])
    assert "cat" in labels_of(read_clips(root)) and "owl" not in labels_of(
        read_clips(root)
    )
    assert (
        "1 labels are not in class_labels_indices.csv, such as /m/0"
        in caplog.text
    )


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json"])
def test_every_kind_of_mistake_at_once(kind, sounds):
    """Of a row, of its label, of its file."""
    root, rows = sounds
    lines = [{"path": n, "label": x} for n, x in rows[:6]]
    lines[1]["label"], lines[3]["path"] = "", "no.wav"
    path = root / f"a.{kind}"
    if kind == "csv":
        write_table(path, HEAD, [row.values() for row in lines])
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, lines)))
    else:
        path.write_text(json.dumps({"data": lines}))
    with pytest.raises(InputError, match="label.*; .*no.wav is missing"):
        read_clips(path)


def test_all_speakers_of_two_splits(sounds, tmp_path):
    root, rows = sounds
    splits = "train", "valid", "test", "train"
    table = [(*row, f"s{i % 2}", splits[i % 4]) for i, row in enumerate(rows)]
    write_table(root / "a.csv", [*HEAD, "speaker", "split"], table)
    with pytest.raises(InputError, match="group s1 is in .*; group s0 is in"):
        prepare_labelled(root, tmp_path / "save", 1.0)


def test_which_column_is_taken_is_said(sounds, caplog):
    """A column source is a group: whoever did not mean it can see it."""
    root, rows = sounds
    table = [(x, n, i % 3) for i, (n, x) in enumerate(rows)]
    write_table(root / "a.csv", ["Species", "path", "source"], table)
    with caplog.at_level("INFO"):
        read_clips(root)
    assert "a.csv: label is Species, group is source" in caplog.text
