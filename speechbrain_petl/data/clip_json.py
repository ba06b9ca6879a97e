"""Clips of a json: Hugging Face's lines, and what the original AST reads."""

import json

from speechbrain.utils.logger import get_logger

from ..errors import InputError
from .cells import find_columns, read_text
from .clip_columns import OPTIONAL, divided, synonyms_of
from .tables import read_table

logger = get_logger(__name__)
CLASSES = "class_labels_indices.csv"  # of AudioSet: index, mid, display_name


def rows_of_json_lines(path, problems):
    """Clips of a file that has one json object a line.

    Arguments
    ---------
    path : pathlib.Path
        The file.
    problems : list of str
        Takes what is wrong with clips that are left out.

    Returns
    -------
    list of tuple
        (where, row), as ``clip_tables.rows_of`` returns them.
    """
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
    index_of = find_columns(names, wanted, synonyms_of(names))
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


def ast_clips(path):
    """What the key data of a json holds.

    Arguments
    ---------
    path : pathlib.Path
        The file.

    Returns
    -------
    list or None
        None where it is no list of clips.
    """
    try:
        tree = json.loads(read_text(path))
    except ValueError:
        return None
    clips = tree.get("data") if isinstance(tree, dict) else None
    return clips if isinstance(clips, list) else None


def rows_of_ast(path, problems):
    """Clips of the original AST, their labels with the names of the classes.

    Arguments
    ---------
    path : pathlib.Path
        The file.
    problems : list of str
        Takes what is wrong with clips that are left out.

    Returns
    -------
    list of tuple
        (where, row), as ``clip_tables.rows_of`` returns them.
    """
    clips = ast_clips(path)
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
        mids = [m for label in row["labels"] for m in divided(label, ",")]
        row["labels"] = [names.get(mid, mid) for mid in mids]
        unnamed |= {mid: None for mid in mids if mid not in names}
        rows.append((f"clip {number}", row))
    if names and unnamed:
        logger.warning(
            f"{path}: {len(unnamed)} labels are not in {found[0].name}, such as "
            f"{next(iter(unnamed))}"
        )
    return rows
