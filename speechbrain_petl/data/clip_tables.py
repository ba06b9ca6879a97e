"""Tables of labelled clips: csv and tsv here, json in clip_json.py."""

from ..errors import InputError
from .cells import find_columns, read_cells
from .clip_columns import OPTIONAL, SYNONYMS, divided, synonyms_of
from .clip_json import CLASSES, ast_clips, rows_of_ast, rows_of_json_lines
from .tables import read_table

KINDS = (".csv", ".tsv", ".jsonl", ".json")
HUGGING_FACE = "metadata"  # .csv or .jsonl
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
        return ast_clips(path) is not None
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
        return rows_of_ast(path, problems)
    if kind == ".jsonl":
        return rows_of_json_lines(path, problems)
    needed = ["path", "label", *more]
    rows = read_table(path, needed, OPTIONAL, synonyms_of, problems)
    labels = [row.pop("label") for _, row in rows]
    sign = None
    if tagging:
        all_labels = "".join(labels)
        sign = next((s for s in BETWEEN_LABELS if s in all_labels), None)
    elif tagging is not None:
        _refuse_tags(path, labels)
    return [
        (f"line {line}", {**row, "labels": divided(label, sign)})
        for (line, row), label in zip(rows, labels)
    ]


def _refuse_tags(path, labels):
    """Refuse cells of several labels: most of these are elsewhere with others.

    The name of a class may well hold a comma, but not be put together from
    names of a table, of which there are more here and fewer there.
    """
    for sign in BETWEEN_LABELS:
        counts = {}  # label -> how many there are in the cells that have it
        cells = {cell: divided(cell, sign) for cell in labels}
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
