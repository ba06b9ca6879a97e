"""A table of results in Markdown, with its notes."""

import re

from ...inference.escaping import escape_markdown, in_code
from .published import figure_of, sources_of
from .settings import shorten


def as_markdown(table, figures=(), bases=(), of_methods=()):
    """Write a table.

    Arguments
    ---------
    table : Table
        Rows and notes.
    figures : list of Figure
        Published ones, of ``published.read_figures``.
    bases : list of dict
        Of ``settings.defaults``: what all runs have in their place is told.
    of_methods : set of str
        Settings that are the methods' own.

    Returns
    -------
    str
        Lines, without a break at the end.
    """
    notes = _number(table.rows)
    beside = [figure_of(row, table, figures) for row in table.rows]
    lines = [
        [
            _name(row, notes),
            *([row.shots or "all"] if _few_shots(table) else []),
            _parameters(row),
            *(_statistics(row, table, name) for name in table.metrics),
            _runs(row),
            _seconds(row),
            *([_published(figure)] if any(beside) else []),
        ]
        for row, figure in zip(table.rows, beside)
    ]
    return "\n".join(
        [
            f"**{escape_markdown(table.title)}**",
            "",
            *_grid(_heads(table, any(beside)), lines),
            "",
            _caption(table, bases, of_methods),
            *([""] if notes else []),
            *(
                f"{number}. {escape_markdown('; '.join(names))}: {text}."
                for text, (number, names) in notes.items()
            ),
            *([""] if table.notes else []),
            *(f"- {note}" for note in table.notes),
            *(f"\n{text}" for text in sources_of(beside)),
        ]
    )


def _few_shots(table):
    return any(row.shots is not None for row in table.rows)


def _heads(table, published):
    return [
        "method",
        *(["shots"] if _few_shots(table) else []),
        "trainable parameters",
        *(table.heading(name) for name in table.metrics),
        "runs",
        "seconds",
        *([f"published {table.heading(table.select)}"] if published else []),
    ]


def _grid(heads, lines):
    """A row of Markdown for each line."""
    rule = ["---"] + ["--:"] * (len(heads) - 1)
    for line in (heads, rule, *lines):
        cells = map(escape_markdown, line) if line is not rule else line
        yield f"| {' | '.join(cells)} |"


def _number(rows):
    """Notes -> their number and the names of the rows that have them."""
    notes = {}
    for row in rows:
        if row.notes:
            text = "; ".join(row.notes)
            _, names = notes.setdefault(text, (len(notes) + 1, []))
            names.append(row.name)
    return notes


def _name(row, notes):
    number, _ = notes.get("; ".join(row.notes), (None, None))
    return f"{row.method} ({number})" if number else row.method


def _parameters(row):
    counts = {run.result["trainable_parameters"] for run in row.runs}
    return " / ".join(f"{count:,}" for count in sorted(counts)) or "-"


def _statistics(row, table, metric):
    mean, deviation = row.statistics(metric)
    if mean is None:
        return "-"
    scale = table.scale(metric)
    digits = 2 if scale == 100 else 3
    text = f"{scale * mean:.{digits}f}"
    if deviation is not None:
        text += f" ± {scale * deviation:.{digits}f}"
    return text


def _runs(row):
    count = len(row.runs)
    return count if count == row.complete else f"{count} of {row.complete}"


def _seconds(row):
    seconds = [run.result["seconds"] for run in row.runs]
    return f"{sum(seconds) / len(seconds):.0f}" if seconds else "-"


def _published(figure):
    return f"{figure.percent:.2f}" if figure else ""


def _caption(table, bases, of_methods):
    devices = sorted({str(run.result.get("device")) for run in table.runs})
    several = any(len(row.runs) > 1 for row in table.rows)
    text = (
        f"{'Mean ± sample deviation' if several else 'Single runs'} on the "
        f"test set, sorted by {table.select}. Parameters: with the classifier. "
        f"Seconds: of a run's training and validation, on {', '.join(devices)}."
    )
    others = _other_settings(table, bases, of_methods)
    if others:
        text += (
            f" Other than in base.yaml: {escape_markdown(', '.join(others))}."
        )
    command = _command(table)
    return text + (f" The first run: `{in_code(command)}`." if command else "")


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
