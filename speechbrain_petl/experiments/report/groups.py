"""Runs that may be averaged: tables, and their rows.

A table is what the runs' identities have in common; a row is a method and a
number of shots; its runs differ in fold and seed alone.
"""

from dataclasses import dataclass, field
from statistics import mean, stdev

from ...training.results import identity
from .notes import compare_rows, notes_of

ROW = ("method", "shots")
CELL = ("fold", "split_seed", "seed")
LOSS = "loss"
UNBOUNDED = {LOSS, "d_prime"}  # metrics that are no ratio


@dataclass
class Row:
    """A method with all its folds and seeds.

    Arguments
    ---------
    method : str
        Its name.
    shots : int
        Training clips a class; None for all.
    cells : dict
        (fold, split seed, seed) -> its runs, of which there should be one.
    folds : int
        How many a complete set has; None for a recipe without folds.
    """

    method: str
    shots: int | None
    cells: dict
    folds: int | None
    notes: list = field(default_factory=list)

    @property
    def name(self):
        """The method, and the shots if there are."""
        shots = "" if self.shots is None else f", {self.shots} shots"
        return f"{self.method}{shots}"

    @property
    def runs(self):
        """Those that count: of a cell that ran twice, neither does."""
        return [runs[0] for runs in self.cells.values() if len(runs) == 1]

    @property
    def complete(self):
        """How many runs there should be."""
        others = {cell[1:] for cell in self.cells}
        return len(others) * (self.folds or 1)

    def statistics(self, metric):
        """Of a test metric over the runs that count.

        Arguments
        ---------
        metric : str
            Its name.

        Returns
        -------
        tuple of float
            Mean and sample deviation; None where there are too few runs.
        """
        values = [run.metric(metric) for run in self.runs]
        values = [value for value in values if value is not None]
        return (
            mean(values) if values else None,
            stdev(values) if len(values) > 1 else None,
        )


@dataclass
class Table:
    """Rows that may be compared.

    Arguments
    ---------
    common : dict
        What all their runs have in common: dataset, protocol, ...
    rows : list of Row
        The best first.
    select : str
        The metric that sorts them.
    notes : list of str
        What the reader must know of more than a row.
    """

    common: dict
    rows: list
    select: str
    notes: list

    @property
    def title(self):
        """The data set and what else tells the table from others."""
        words = [
            f"{key.replace('_', ' ')} {value}"
            for key, value in self.common.items()
            if value is not None and key not in ("dataset", "folds")
        ]
        return ", ".join([self.common["dataset"], *words])

    @property
    def runs(self):
        """All that count."""
        return [run for row in self.rows for run in row.runs]

    @property
    def metrics(self):
        """Names: the selecting one first, the loss last."""
        names = {name for run in self.runs for name in run.result["metrics"]}
        order = {self.select: -1, LOSS: 1}
        return sorted(names, key=lambda name: (order.get(name, 0), name))

    def scale(self, metric):
        """What a metric is multiplied by: 100 for a ratio, in percent, or 1.

        Arguments
        ---------
        metric : str
            Its name.

        Returns
        -------
        int
            100 or 1.
        """
        values = [run.metric(metric) or 0 for run in self.runs]
        ratio = all(0 <= value <= 1 for value in values)
        return 100 if ratio and metric not in UNBOUNDED else 1

    def heading(self, metric):
        """The name of a metric with its unit, such as "accuracy, %" (str)."""
        return f"{metric}, %" if self.scale(metric) == 100 else metric


def make_tables(runs, problems=(), of_methods=()):
    """Put runs into tables and note all that is odd.

    Arguments
    ---------
    runs : list of Run
        Of ``find_runs``.
    problems : list of str
        Of ``find_runs``: they are noted at each table.
    of_methods : set of str
        Settings in which methods may differ.

    Returns
    -------
    list of Table
        Sorted by title.
    """
    groups = {}
    for run in runs:
        groups.setdefault(tuple(_common(run).items()), []).append(run)
    tables = [
        _table(dict(common), members, problems, of_methods)
        for common, members in groups.items()
    ]
    return sorted(tables, key=lambda table: table.title)


def _common(run):
    """What identifies the table of a run; the encoder always does."""
    found = {
        key: value
        for key, value in identity(run.result).items()
        if key not in (*ROW, *CELL) and not isinstance(value, (dict, list))
    }
    encoder = run.settings.get("encoder", "").rpartition(".")[2]
    return dict(sorted({"encoder": encoder or None, **found}.items()))


def _table(common, runs, problems, of_methods):
    found = [run.result.get("select") for run in runs]
    found += [name for name in runs[0].result["metrics"] if name != LOSS]
    select = next((name for name in found if name), LOSS)
    rows = {}
    folds = _count_folds(common, runs)
    for run in runs:
        key = run.key(*ROW)
        row = rows.setdefault(key, Row(*key, cells={}, folds=folds))
        row.cells.setdefault(run.key(*CELL), []).append(run)
    for row in rows.values():
        row.notes += notes_of(row)
    notes = [*problems, *compare_rows(list(rows.values()), of_methods)]
    if folds and not common.get("folds"):
        notes.append("the results do not say how many folds a set has")
    return Table(common, _sorted(rows.values(), select), select, notes)


def _count_folds(common, runs):
    """As the runs say, or else as many as there are."""
    folds = {run.key("fold")[0] for run in runs} - {None}
    return common.get("folds") or len(folds) or None


def _sorted(rows, select):
    """The best first; a loss is best when it is low."""
    sign = 1 if select == LOSS else -1

    def _rank(row):
        value = row.statistics(select)[0]
        order = (value is None, sign * value if value is not None else 0)
        return (*order, row.method, row.shots or float("inf"))

    return sorted(rows, key=_rank)
