"""A table of results in Markdown, with its notes."""

from ...inference.escaping import escape_markdown
from .caption import caption
from .paired import REFERENCES, differences_from, p_text, signed
from .published import figure_of, sources_of


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
    paired = [differences_from(row, table) for row in table.rows]
    against = [name for name in REFERENCES if any(name in p for p in paired)]
    lines = [
        [
            _name(row, notes),
            *([row.shots or "all"] if _few_shots(table) else []),
            _parameters(row),
            *(_statistics(row, table, name) for name in table.metrics),
            *(_difference(own.get(name), table) for name in against),
            _runs(row),
            _mean_of(row, "seconds"),
            _mean_of(row, "peak_memory_mib"),
            _mean_of(row, "adapter_bytes", 1024),
            *([_published(figure)] if any(beside) else []),
        ]
        for row, figure, own in zip(table.rows, beside, paired)
    ]
    return "\n".join(
        [
            f"**{escape_markdown(table.title)}**",
            "",
            *grid_lines(_heads(table, against, any(beside)), lines),
            "",
            caption(table, bases, of_methods, against),
            *([""] if notes else []),
            *(
                f"{number}. {escape_markdown('; '.join(names))}: "
                f"{escape_markdown(text, code=True)}."
                for text, (number, names) in notes.items()
            ),
            *([""] if table.notes else []),
            *(f"- {escape_markdown(note, code=True)}" for note in table.notes),
            *(f"\n{text}" for text in sources_of(beside)),
        ]
    )


def _few_shots(table):
    return any(row.shots is not None for row in table.rows)


def _heads(table, against, published):
    return [
        "method",
        *(["shots"] if _few_shots(table) else []),
        "trainable parameters",
        *(table.heading(name) for name in table.metrics),
        *(f"- {name} (p)" for name in against),
        "runs",
        "seconds",
        "MiB",
        "kB kept",
        *([f"published {table.heading(table.select)}"] if published else []),
    ]


def grid_lines(heads, lines):
    """A row of Markdown for each line, the first column to the left.

    Arguments
    ---------
    heads : list of str
        Of the columns.
    lines : list of list
        Their cells, which are escaped.

    Yields
    ------
    str
        The heads, a rule, the lines.

    Example
    -------
    >>> print("\\n".join(grid_lines(["method", "accuracy, %"], [["lora", 90]])))
    | method | accuracy, % |
    | --- | --: |
    | lora | 90 |
    """
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


def _difference(found, table):
    if found is None:
        return ""
    scale = table.scale(table.select)
    digits = 2 if scale == 100 else 3
    return f"{signed(scale * found[0], digits)} ({p_text(found[1])})"


def _mean_of(row, key, unit=1):
    """Of what the runs of a row have measured."""
    values = [run.result.get(key) for run in row.runs]
    values = [value / unit for value in values if value is not None]
    return f"{sum(values) / len(values):.0f}" if values else "-"


def _published(figure):
    return f"{figure.percent:.2f}" if figure else ""
