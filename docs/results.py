"""Writes what the kept runs say into README and docs/results.md, and draws it.

> python docs/results.py
"""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean

from speechbrain_petl.experiments.plots import draw_shots, draw_tradeoff
from speechbrain_petl.experiments.report.groups import make_tables
from speechbrain_petl.experiments.report.markdown import as_markdown, grid_lines
from speechbrain_petl.experiments.report.paired import (
    differences_from,
    p_text,
    rank_correlation,
    signed,
)
from speechbrain_petl.experiments.report.runs import find_runs
from speechbrain_petl.experiments.report.settings import defaults

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PAGES = (ROOT / "README.md", DOCS / "results.md")
BLOCK = re.compile(r"(<!-- results: (.+?) -->\n).*?(<!-- /results -->)", re.S)
SHOTS, DRAWS = (10, 5, 2, 1), 5
ESC10 = ("ESC50", {"dataset": "ESC-10", "protocol": "3-1-1"})
FEW = ("ESC50", {"dataset": "ESC-10", "protocol": "4-1"})
DIGITS = ("SpokenDigits", {"dataset": "Spoken digits", "protocol": "speakers"})


@cache
def tables(recipe):
    """Those of a recipe's kept runs."""
    runs, problems = find_runs(ROOT / "recipes" / recipe / "kept")
    assert not problems, problems
    _, of_methods = defaults(ROOT / "recipes" / recipe)
    return make_tables(runs, problems, of_methods)


def table_of(recipe, common):
    """The one table of a data set and protocol, its methods by last name."""
    (found,) = (t for t in tables(recipe) if common.items() <= t.common.items())
    rows = [
        replace(row, method=row.method.rpartition("/")[2], notes=[])
        for row in found.rows
    ]
    return replace(found, rows=rows, notes=[])


def of_folds(recipe, common):
    """Rows of all clips and all folds."""
    table = table_of(recipe, common)
    rows = [r for r in table.rows if r.shots is None]
    return replace(table, rows=[r for r in rows if len(r.runs) == r.complete])


def of_draws(recipe, common):
    """Rows of few clips, each drawn as often as it is to be, from fold 1."""
    table = within(table_of(recipe, common), fold=1)
    rows = [r for r in table.rows if r.shots and len(r.runs) == DRAWS]
    return replace(table, rows=[replace(r, folds=None) for r in rows])


def of_ten(recipe, common):
    """Ten clips a class of every fold, drawn once."""
    table = within(table_of(recipe, common), seed=1)
    rows = [r for r in table.rows if r.shots == 10]
    return replace(table, rows=[r for r in rows if len(r.runs) == r.complete])


def of_one_fold(recipe, common):
    """Fold 1 of every method that has it."""
    table = within(table_of(recipe, common), fold=1)
    rows = [replace(r, folds=None) for r in table.rows if r.shots is None]
    return replace(table, rows=rows)


def within(table, fold=None, seed=None):
    """The part of a table that is of one fold, or one seed; the best first."""
    rows = []
    for row in table.rows:
        cells = {
            (f, split, s): runs
            for (f, split, s), runs in row.cells.items()
            if fold in (None, f) and seed in (None, s)
        }
        if cells:
            rows.append(replace(row, cells=cells))
    rows.sort(key=lambda row: -row.statistics(table.select)[0])
    return replace(table, rows=rows)


def grid(table):
    """A table's lines alone, as ``sbpetl report`` writes them."""
    return as_markdown(table).split("\n\n")[1]


def with_agreement(table):
    """Its lines, and how far the folds agree on the order of the methods."""
    found, names = rank_correlation(table), len(table.rows)
    if found is None:
        return grid(table)
    words = f"Mean rank correlation of two folds over {names} methods"
    return f"{grid(table)}\n\n{words}: {found:.2f}."


def short(row, metric):
    """Mean and deviation in percent, one digit."""
    average, deviation = row.statistics(metric)
    return f"{100 * average:.1f} ± {100 * deviation:.1f}"


def by_clips(whole, few, head, last):
    """Methods x clips a class: all folds, then a few clips; and one column.

    Arguments
    ---------
    whole, few : Table
        Of ``of_folds`` and ``of_draws``.
    head : str
        Of the last column.
    last : callable
        Maps a method and its rows, by their shots, to the last cell.

    Returns
    -------
    tuple of list
        The heads, and the lines of cells; those that no run fills are "".
    """
    rows = {row.method: {} for row in [*whole.rows, *few.rows]}
    for row in [*whole.rows, *few.rows]:
        rows[row.method][row.shots] = row
    lines = [
        [
            method,
            f"{trained(next(iter(own.values()))):,}",
            *(
                short(own[s], whole.select) if s in own else ""
                for s in (None, *SHOTS)
            ),
            last(method, own),
        ]
        for method, own in rows.items()
    ]
    return ["method", "trained", "all", *map(str, SHOTS), head], lines


def with_mean(whole, few):
    """By clips, then the mean of few."""
    return by_clips(
        whole, few, "mean of few", lambda _, own: mean_of_few(own, few.select)
    )


def with_others(whole, few, beside, head):
    """By clips, then all clips of another data set; methods without gaps."""
    others = {row.method: short(row, beside.select) for row in beside.rows}
    heads, lines = by_clips(
        whole, few, head, lambda method, _: others.get(method, "")
    )
    return heads, [line for line in lines if all(line)]


def trained(row):
    """Its parameters."""
    return row.runs[0].result["trainable_parameters"]


def mean_of_few(rows, metric):
    """Over the numbers of clips, in percent, if there are all."""
    if not all(s in rows for s in SHOTS):
        return ""
    means = [rows[s].statistics(metric)[0] for s in SHOTS]
    return f"{100 * sum(means) / len(SHOTS):.1f}"


def over_clips(table, cell):
    """Methods x clips, each cell of its row.

    A method whose cells are all empty has no line.
    """
    rows = {(row.method, row.shots): row for row in table.rows}
    lines = []
    for method in dict.fromkeys(row.method for row in table.rows):
        found = [rows.get((method, s)) for s in SHOTS]
        cells = [cell(row) if row else "" for row in found]
        if any(cells):
            lines.append([method, *cells])
    return ["method", *map(str, SHOTS)], lines


def against_linear(table):
    """Differences from the probe, of each method and number of clips."""

    def _cell(row):
        found = differences_from(row, table).get("linear")
        if not found:
            return ""
        return f"{signed(100 * found[0], 1)} ({p_text(found[1])})"

    return over_clips(table, _cell)


def losses(table):
    """Of the last epoch's training, and of the test: methods x clips."""

    def _cell(row):
        results = [run.result for run in row.runs]
        last = mean(r["history"][-1]["train"]["loss"] for r in results)
        return f"{last:.3f}, {row.statistics('loss')[0]:.2f}"

    return over_clips(table, _cell)


def lines_of(heads, lines):
    """The text of a table."""
    return "\n".join(grid_lines(heads, lines))


WRITERS = {
    "front": lambda: lines_of(
        *with_others(
            of_folds(*ESC10), of_draws(*FEW), of_folds(*DIGITS), "digits"
        )
    ),
    "ESC-10": lambda: lines_of(*with_mean(of_folds(*ESC10), of_draws(*FEW))),
    "ESC-10, folds": lambda: with_agreement(of_folds(*ESC10)),
    "ESC-10, four folds train": lambda: grid(of_folds(*FEW)),
    "ESC-10, fold 1": lambda: grid(of_one_fold(*ESC10)),
    "ESC-10, few": lambda: lines_of(*against_linear(of_draws(*FEW))),
    "ESC-10, few, losses": lambda: lines_of(*losses(of_draws(*FEW))),
    "ESC-10, ten of every fold": lambda: with_agreement(of_ten(*FEW)),
    "digits": lambda: lines_of(
        *with_mean(of_folds(*DIGITS), of_draws(*DIGITS))
    ),
    "digits, speakers": lambda: with_agreement(of_folds(*DIGITS)),
    "digits, few": lambda: lines_of(*against_linear(of_draws(*DIGITS))),
    "digits, few, losses": lambda: lines_of(*losses(of_draws(*DIGITS))),
}


def written(path):
    """A page with its blocks as the kept runs have them."""

    def _fill(block):
        return f"{block[1]}\n{WRITERS[block[2]]()}\n\n{block[3]}"

    return BLOCK.sub(_fill, path.read_text(encoding="utf-8"))


def draw():
    """The pictures of both pages."""
    tiny = "Whisper tiny.en on"
    for data, name, title in (
        (ESC10, "whisper_esc10.png", f"{tiny} the ESC-10 clips, five folds"),
        (DIGITS, "whisper_digits.png", f"{tiny} digits of six other speakers"),
    ):
        draw_methods(of_folds(*data), DOCS / name, title)
    title = f"{tiny} few ESC-10 clips a class, five draws"
    draw_few(of_draws(*FEW), DOCS / "whisper_few.png", title)


def draw_methods(table, path, title):
    """Accuracy against trained parameters."""
    points = []
    for row in table.rows:
        average, deviation = row.statistics(table.select)
        points.append(
            (row.method, trained(row), 100 * average, 100 * deviation)
        )
    draw_tradeoff(points, path, title, "accuracy, %")


def draw_few(table, path, title):
    """Accuracy against training clips a class."""
    curves = {}
    for row in sorted(table.rows, key=lambda row: row.shots):
        average, deviation = row.statistics(table.select)
        point = (row.shots, 100 * average, 100 * deviation)
        curves.setdefault(row.method, []).append(point)
    curves = {name: found for name, found in curves.items() if len(found) > 1}
    draw_shots(curves, {}, "accuracy, %", path, title)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(written(page), encoding="utf-8")
    draw()
