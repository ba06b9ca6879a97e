"""A table of results in Markdown, with its notes."""

import re

from .published import figure_of, sources_of
from .settings import nearest, shorten


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
    noted = [row for row in table.rows if row.notes]
    numbers = {id(row): i for i, row in enumerate(noted, 1)}
    beside = [figure_of(row, table, figures) for row in table.rows]
    lines = [
        [
            _name(row, numbers.get(id(row))),
            *([row.shots or "all"] if _few_shots(table) else []),
            _parameters(row),
            *(_statistics(row, table, name) for name in table.metrics),
            _runs(row),
            _seconds(row),
            *([_published(figure)] if any(beside) else []),
        ]
        for row, figure in zip(table.rows, beside)
    ]
    notes = [
        f"{numbers[id(row)]}. {row.name}: {'; '.join(row.notes)}."
        for row in noted
    ]
    return "\n".join(
        [
            f"**{table.title}**",
            "",
            *_grid(_heads(table, any(beside)), lines),
            "",
            _caption(table, bases, of_methods),
            *([""] if notes else []),
            *notes,
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
    """A row of Markdown for each line; a bar in a cell is escaped."""
    rule = ["---"] + ["--:"] * (len(heads) - 1)
    for line in (heads, rule, *lines):
        cells = (str(cell).replace("|", r"\|") for cell in line)
        yield f"| {' | '.join(cells)} |"


def _name(row, number):
    return f"{row.method} ({number})" if number else row.method


def _parameters(row):
    counts = {run.result["trainable_parameters"] for run in row.runs}
    return " / ".join(f"{count:,}" for count in sorted(counts)) or "-"


def _statistics(row, table, metric):
    mean, deviation = row.statistics(metric)
    if mean is None:
        return "-"
    factor = table.factor(metric)
    digits = 2 if factor == 100 else 3
    text = f"{factor * mean:.{digits}f}"
    if deviation is not None:
        text += f" ± {factor * deviation:.{digits}f}"
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
        text += f" Other than in base.yaml: {', '.join(others)}."
    command = _command(table)
    return text + (f" The first run: `{command}`." if command else "")


def _other_settings(table, bases, of_methods):
    """What all runs have, and base.yaml has not."""
    known = [run.settings for run in table.runs if run.known]
    if not (known and bases):
        return []
    base = nearest(bases, known[0])
    return [
        f"{key} {shorten(value)}"
        for key, value in known[0].items()
        if key in base.keys() - of_methods
        and "." not in key
        and not base[key].startswith("!")
        and value != base[key]
        and all(tree.get(key) == value for tree in known)
    ]


def _command(table):
    """How the first run was started, without the folders of its machine."""
    for run in table.runs[:1]:
        words = str(run.result.get("command", ""))
        words = re.sub(r"^\S*/(?=\S+\.py\b)", "", words)
        return "python " + re.sub(r"(?<==)/\S*/(?=[^/\s]+)", "/path/to/", words)
    return ""
