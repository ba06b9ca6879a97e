"""Labelled sounds in a folder, in each of the layouts that are read."""

import csv
import json
from pathlib import Path

from layouts import PLAIN, write_clip

MIDS = {"cat": "/m/01yrx", "dog": "/m/0bt9lr", "owl": "/m/09d5_"}
LABELS = tuple(MIDS)


def write_sounds(root, clips=10, labels=LABELS):
    """A folder for each label; returns (path below root, label) of each clip."""
    rows = []
    for target, label in enumerate(labels):
        for number in range(clips):
            name = f"{label}/{number:03d}.wav"
            (root / label).mkdir(parents=True, exist_ok=True)
            write_clip(root / name, 20 * target, PLAIN, seed=len(rows))
            rows.append((name, label))
    return rows


def write_table(path, header, rows, delimiter=",", encoding="utf-8"):
    """A csv file with a line of column names."""
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])


def as_folders(root, rows):
    """Nothing beside the folders of the classes."""


def as_csv(root, rows):
    """Comma and the plain names."""
    write_table(root / "clips.csv", ["path", "label"], rows)


def as_spreadsheet(root, rows):
    """Semicolons, a byte order mark, capitals, backslashes, more columns."""
    table = [[i, n.replace("/", "\\"), x] for i, (n, x) in enumerate(rows)]
    head = ["No.", "File Name", "Class"]
    write_table(root / "clips.csv", head, table, ";", "utf-8-sig")


def as_tsv(root, rows):
    """Tabs, as of Common Voice, in the UTF-16 of spreadsheets."""
    write_table(root / "all.tsv", ["Path", "Category"], rows, "\t", "utf-16")


def as_audiofolder(root, rows):
    """Hugging Face's metadata.csv."""
    write_table(root / "metadata.csv", ["file_name", "label"], rows)


def as_json_lines(root, rows):
    """Hugging Face's metadata.jsonl."""
    lines = [json.dumps({"file_name": n, "label": x}) for n, x in rows]
    (root / "metadata.jsonl").write_text("\n".join(lines) + "\n")


def as_ast_json(root, rows):
    """The json of the original AST, with absolute paths."""
    data = [{"wav": str(root / n), "labels": MIDS[x]} for n, x in rows]
    (root / "data.json").write_text(json.dumps({"data": data}))
    table = [[i, MIDS[x], x] for i, x in enumerate(LABELS)]
    head = ["index", "mid", "display_name"]
    write_table(root / "class_labels_indices.csv", head, table)


WRITERS = [
    as_folders,
    as_csv,
    as_spreadsheet,
    as_tsv,
    as_audiofolder,
    as_json_lines,
    as_ast_json,
]


def make_labelled_sounds(folder, write=as_csv, clips=10):
    """A data set in a layout; returns its folder."""
    root = Path(folder) / "sounds"
    write(root, write_sounds(root, clips))
    return root
