"""Tables of labelled clips: csv, tsv, Hugging Face's metadata, AST's json."""

import json
import re

from speechbrain.utils.logger import get_logger

from ..errors import InputError
from .cells import find_columns, read_cells, read_text
from .tables import read_table

logger = get_logger(__name__)

SYNONYMS = {
    "path": (
        *("file_name", "file", "file_path", "audio_filepath", "audio_path"),
        *("audio_file", "audio", "audio_file_name", "wav", "wav_path"),
        *("wav_file", "sound", "sound_file", "recording", "fname", "clip"),
        *("slice_file_name", "begin_file", "song", "uri"),
    ),
    "label": (
        *("labels", "class", "class_name", "category", "tag", "tags"),
        *("target", "annotation", "species", "primary_label", "sample"),
        *("label_name", "class_label", "emotion", "keyword", "word"),
    ),
    "split": ("subset", "set", "partition"),
    "group": (
        *("speaker", "speaker_id", "client_id", "subject", "participant"),
        *("recording", "recording_id", "session", "source"),
    ),
    "start": ("start_time", "begin", "begin_time", "begin_time_s", "onset"),
    "stop": ("stop_time", "end", "end_time", "end_time_s"),
    "duration": ("length", "dur"),
}
OPTIONAL = ("split", "group", "start", "stop", "duration")
KINDS = (".csv", ".tsv", ".jsonl", ".json")
HUGGING_FACE = "metadata"  # .csv or .jsonl
CLASSES = "class_labels_indices.csv"  # of AudioSet: index, mid, display_name
BETWEEN_LABELS = "|;,"  # the first of these that a column has


def is_table(path):
    """Whether a file may be a table of clips, by its name (pathlib.Path)."""
    return path.suffix.lower() in KINDS and not path.name.endswith(CLASSES)


def lists_clips(path):
    """Whether a table is one of clips.

    Arguments
    ---------
    path : pathlib.Path
        The file.

    Returns
    -------
    bool
        By its columns or keys.
    """
    kind = path.suffix.lower()
    if kind == ".jsonl" or path.stem.lower() == HUGGING_FACE:
        return True
    if kind == ".json":
        return _ast_clips(path) is not None
    lines = read_cells(path)
    # with only one of them it is an error, not a folder of classes
    names = ["path", "label"]
    return bool(lines) and bool(find_columns(lines[0][1], names, SYNONYMS))


def rows_of(path, problems, tagging=None, more=()):
    """The rows of a table, with one name for each column.

    Arguments
    ---------
    path : pathlib.Path
        The table.
    problems : list of str
        Takes what is wrong with rows that are left out.
    tagging : bool, optional
        Whether a cell may hold several labels; False refuses a table that
        seems to have such cells, None takes each for one name.
    more : sequence of str
        Further columns that a csv must have.

    Returns
    -------
    list of tuple
        (where, row): the row has "path", "labels" (a list), and what else
        there is of OPTIONAL and more.
    """
    kind = path.suffix.lower()
    if kind == ".json":
        return _rows_of_ast(path, problems)
    if kind == ".jsonl":
        return _rows_of_json_lines(path, problems)
    needed = ["path", "label", *more]
    rows = read_table(path, needed, OPTIONAL, _synonyms, problems)
    labels = [row.pop("label") for _, row in rows]
    sign = None
    if tagging:
        all_labels = "".join(labels)
        sign = next((s for s in BETWEEN_LABELS if s in all_labels), None)
    elif tagging is not None:
        _refuse_tags(path, labels)
    return [
        (f"line {line}", {**row, "labels": _divided(label, sign)})
        for (line, row), label in zip(rows, labels)
    ]


def _synonyms(header):
    """What columns may be called: an offset is where a clip stops.

    Beside a duration, as in NeMo's manifests, it is where a clip starts.
    """
    lasts = find_columns(header, ["duration"], SYNONYMS)
    name = "start" if lasts else "stop"
    return {**SYNONYMS, name: (*SYNONYMS[name], "offset")}


def _refuse_tags(path, labels):
    """Refuse cells of several labels: most of these are elsewhere with others.

    The name of a class may well hold a comma, but not be put together from
    names of a table, of which there are more here and fewer there.
    """
    for sign in BETWEEN_LABELS:
        counts = {}  # label -> how many there are in the cells that have it
        cells = {cell: _divided(cell, sign) for cell in labels}
        for parts in cells.values():
            for part in parts:
                counts.setdefault(part, set()).add(len(parts))
        several = [cell for cell in labels if len(cells[cell]) > 1]
        inside = {part for cell in several for part in cells[cell]}
        elsewhere = [part for part in inside if len(counts[part]) > 1]
        if 2 * len(elsewhere) > len(inside):
            raise InputError(
                f"{path}: {len(several)} of {len(labels)} cells seem to hold "
                f"several labels, such as {several[0]}. If so, add "
                f"--tagging=True; if it is one name, write it without {sign}"
            )


def _divided(cell, sign):
    """The labels of a cell; a list as programs write it is always one."""
    if re.fullmatch(r"\[(['\"].*['\"])?\]", cell):
        parts = [part.strip(" '\"") for part in cell[1:-1].split(",")]
    else:
        parts = cell.split(sign) if sign else [cell]
    return [part.strip() for part in parts if part.strip()]


def _rows_of_json_lines(path, problems):
    rows = []
    for line, content in enumerate(read_text(path).split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
            rows.append((f"line {line}", _renamed(row)))
        except (ValueError, AttributeError) as error:
            problems.append(f"line {line}: {error}")
    return rows


def _renamed(row):
    """A row of json with our names, its label or labels as a list."""
    names = list(row)
    wanted = ["path", "label", *OPTIONAL]
    index_of = find_columns(names, wanted, _synonyms(names))
    row = {name: row[names[i]] for name, i in index_of.items()}
    for name in ("path", "label"):  # a label may well be 0
        if row.get(name) in (None, "", []):
            raise ValueError(f"has no {name}, but {', '.join(names)}")
    if not isinstance(row["path"], str):
        raise ValueError(f"path={row['path']} is no name of a file")
    labels = row.pop("label")
    labels = labels if isinstance(labels, list) else [labels]
    for label in labels:
        if not isinstance(label, (str, int, float)) or label != label:
            raise ValueError(f"label={label} is no name")
    return {**row, "labels": [str(label) for label in labels]}


def _ast_clips(path):
    """What the key data of a json holds, or None."""
    try:
        tree = json.loads(read_text(path))
    except ValueError:
        return None
    clips = tree.get("data") if isinstance(tree, dict) else None
    return clips if isinstance(clips, list) else None


def _rows_of_ast(path, problems):
    """Clips of the original AST, their labels with the names of the classes."""
    clips = _ast_clips(path)
    if not clips:
        raise InputError(f"{path} is no json {{data: [{{wav, labels}}, ...]}}")
    names, rows, unnamed = {}, [], {}
    folders = (path.parent, path.parent.parent)
    found = [p for folder in folders for p in folder.glob(f"*{CLASSES}")]
    for classes in found[:1]:
        for _, row in read_table(str(classes), ["mid", "display_name"]):
            names[row["mid"]] = row["display_name"]
    for number, clip in enumerate(clips, start=1):
        try:
            row = _renamed(clip)
        except (ValueError, AttributeError, TypeError) as error:
            problems.append(f"clip {number}: {error}")
            continue
        mids = [m for label in row["labels"] for m in _divided(label, ",")]
        row["labels"] = [names.get(mid, mid) for mid in mids]
        unnamed |= {mid: None for mid in mids if mid not in names}
        rows.append((f"clip {number}", row))
    if names and unnamed:
        logger.warning(
            f"{path}: {len(unnamed)} labels are not in {found[0].name}, such as "
            f"{next(iter(unnamed))}"
        )
    return rows
