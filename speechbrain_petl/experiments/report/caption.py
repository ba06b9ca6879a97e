"""The paragraph below a table: its columns, machine, settings, command."""

import re

from ...inference.escaping import escape_markdown, in_code
from .paired import rank_correlation
from .settings import shorten


def caption(table, bases, of_methods, against):
    """What a reader must know of a table's columns and runs.

    Arguments
    ---------
    table : Table
        Rows and notes.
    bases : list of dict
        Of ``settings.defaults``.
    of_methods : set of str
        Settings that are the methods' own.
    against : list of str
        References that rows are compared with.

    Returns
    -------
    str
        One paragraph.
    """
    devices = sorted({str(run.result.get("device")) for run in table.runs})
    several = any(len(row.runs) > 1 for row in table.rows)
    text = (
        f"{'Mean ± sample deviation' if several else 'Single runs'} on the "
        f"test set, sorted by {table.select}. Parameters: with the classifier. "
        f"Seconds: of a run's training and validation, on {', '.join(devices)}. "
        "MiB: peak memory, of the process on a CPU. kB kept: the adapter."
    )
    others = _other_settings(table, bases, of_methods)
    if others:
        text += (
            f" Other than in base.yaml: {escape_markdown(', '.join(others))}."
        )
    command = _command(table)
    if command:
        text += f" The first run: `{in_code(command)}`."
    return text + _agreement(table, against)


def _other_settings(table, bases, of_methods):
    """What all runs have, and base.yaml has not."""
    known = [run.settings for run in table.runs if run.known]
    if not (known and bases):
        return []
    base = _nearest(bases, known[0])
    return [
        f"{key} {shorten(value)}"
        for key, value in known[0].items()
        if key.split(".")[0] not in of_methods
        and value != base.get(key)
        and _is_free(base, key)
        and all(tree.get(key) == value for tree in known)
    ]


def _nearest(bases, settings):
    """The base.yaml that a run was of: the one with the fewest differences.

    >>> bases = [{"lr": "1", "net": "!new:A"}, {"net": "!new:B"}]
    >>> _nearest(bases, {"lr": "1"})
    {'lr': '1', 'net': '!new:A'}
    """
    return min(bases, key=lambda base: len(base.items() ^ settings.items()))


def _is_free(base, key):
    """Whether base.yaml sets a key, or its parent, by itself."""
    while key not in base and "." in key:
        key = key.rpartition(".")[0]
    return not base.get(key, "!ref").startswith("!ref")


def _command(table):
    """How the first run was started, without the folders of its machine."""
    for run in table.runs[:1]:
        words = str(run.result.get("command", ""))
        words = re.sub(r"^\S*/(?=\S+\.py\b)", "", words)
        return "python " + re.sub(r"(?<==)/\S*/(?=[^/\s]+)", "/path/to/", words)
    return ""


def _agreement(table, against):
    """What the columns of differences mean, and how far folds agree."""
    words = ""
    if against:
        words += (
            " Differences: mean over the runs of the same fold and seed, with "
            "p of a paired t test over folds, or over the seeds of one, "
            "corrected for what folds share where all clips train."
        )
    found = rank_correlation(table)
    if found is not None:
        words += f" Rank correlation of the rows between runs: {found:.2f}."
    return words
