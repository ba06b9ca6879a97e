"""LibriSpeech: 1000 hours of English audiobooks, with what is read.

V. Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio
books", 2015, https://www.openslr.org/12. 16 kHz, mono, flac. Licence: CC BY 4.0.

Official layout::

    LibriSpeech/train-clean-100/{speaker}/{chapter}/
        {speaker}-{chapter}-{utterance}.flac
        {speaker}-{chapter}.trans.txt  a line for each: its name, its words

Or tables of your own, in columns that are called path and text, or as in Common
Voice, and perhaps split and speaker::

    metadata.csv   path,text[,split][,speaker]
    ...            the recordings, at ``path`` relative to data_folder

Texts are compared, and learned, in small letters without punctuation.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
from pathlib import Path

from speechbrain_petl import InputError
from speechbrain_petl.data.clip_columns import SYNONYMS
from speechbrain_petl.data.clip_rows import SPLITS, split_of
from speechbrain_petl.data.releases import find_release, write_manifests
from speechbrain_petl.data.splits import check_disjoint
from speechbrain_petl.data.tables import find_table, listed_file, read_table
from speechbrain_petl.data.text import plain_text
from speechbrain_petl.errors import refuse_all

ROOT = "LibriSpeech"
REMEDY = f"Give the folder {ROOT} of the unpacked archives, or --tables=..."
COLUMNS = {
    "path": SYNONYMS["path"],
    "text": (
        *("transcript", "transcription", "sentence", "words"),
        *("normalized_text", "raw_transcription", "label"),
    ),
    "split": SYNONYMS["split"],
    "speaker": SYNONYMS["group"],
}
FOLDERS = ("", "clips")  # that paths of tables are relative to


def prepare_librispeech(
    data_folder, save_folder, train, valid, test, tables=None, splits=SPLITS
):
    """Write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str
        The folder LibriSpeech, or the one that holds it; with tables, theirs.
    save_folder : str
        Where to write the manifests.
    train, valid, test : list of str
        Folders in it, such as [train-clean-100, train-clean-360].
    tables : str or dict, optional
        A csv or tsv file with a column split, or split -> file.
    splits : sequence of str
        Those that are used; nothing of the others need be there.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    if tables:
        items = _of_tables(data_folder, tables, splits)
    else:
        parts = {"train": train, "valid": valid, "test": test}
        parts = {split: parts[split] for split in splits}
        for split, names in parts.items():
            if not isinstance(names, list) or {*map(type, names)} - {str}:
                raise InputError(f"{split}_folders={names}: write [dev-clean]")
        names = [name for names in parts.values() for name in names]
        root = find_release(data_folder, ROOT, names, REMEDY)
        items = {
            split: _of_folders([os.path.join(root, name) for name in names])
            for split, names in parts.items()
        }
    items = {split: clips for split, clips in items.items() if clips}
    for split in splits:
        if split != "valid" and split not in items:
            raise InputError(f"{data_folder}: nothing is in the split {split}")
    for key in ("wav", "speaker"):
        check_disjoint(items, key, "Leave it out of one of them.")
    return write_manifests(save_folder, items)


def _of_folders(folders):
    """id -> manifest entry of the chapters in these folders, sorted by id."""
    items, problems = {}, []
    paths = [p for f in folders for p in Path(f).glob("*/*/*.trans.txt")]
    for path in sorted(paths):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            name, _, text = line.partition(" ")
            row = {"path": f"{name}.flac", "text": text}
            row["speaker"] = path.parents[1].name
            try:
                where = f"{path.name}, line {number}"
                items[name] = _entry(row, path.parent, where)
            except InputError as error:
                problems.append(str(error))
    if not paths:
        problems.append("no file is */*/*.trans.txt: unpack the archive again")
    refuse_all(", ".join(folders), problems)
    return dict(sorted(items.items()))


def _of_tables(folder, tables, used):
    """split -> id -> manifest entry, of a table or of one for each split."""
    splits, problems = {split: {} for split in used}, []
    tables = tables if isinstance(tables, dict) else {None: tables}
    for given, name in tables.items():
        if given and _split(given, "tables") not in used:
            continue
        path = find_table(folder, name, "path,text of the recordings")
        needed = ["path", "text"] if given else ["path", "text", "split"]
        rows = read_table(path, needed, ["speaker"], lambda _: COLUMNS)
        for line, row in rows:
            where = f"{name}, line {line}"
            try:
                split = _split(given or row["split"], where)
                if split not in used:
                    continue
                if row["path"] in splits[split]:
                    raise InputError(f"{where}: {row['path']} is listed twice")
                splits[split][row["path"]] = _entry(row, folder, where)
            except InputError as error:
                problems.append(str(error))
    refuse_all(folder, problems)
    return splits


def _split(name, where):
    split = split_of(name or "")
    if not split:
        raise InputError(
            f"{where}: split={name} is not one of {', '.join(SPLITS)}"
        )
    return split


def _entry(row, folder, where):
    """What a manifest says of a recording."""
    text = plain_text(row["text"])
    if not text:
        raise InputError(f"{where}: there are no words in {row['text']!r}")
    names = [os.path.join(part, row["path"]) for part in FOLDERS]
    there = [n for n in names if os.path.isfile(os.path.join(folder, n))]
    wav = listed_file(where, str(folder), (there or names)[0])
    entry = {"wav": os.path.abspath(wav), "text": text}
    speaker = row.get("speaker")
    return {**entry, "speaker": speaker} if speaker else entry
