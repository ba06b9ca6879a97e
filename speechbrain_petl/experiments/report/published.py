"""Figures that papers report, to be shown beside a recipe's own."""

from dataclasses import dataclass
from pathlib import Path

from ...data.tables import read_table
from ...errors import InputError

PUBLISHED = "published.csv"
COLUMNS = ("dataset", "protocol", "method", "metric", "percent", "paper")
NONE = "-"  # the protocol of a data set that has only one
# whose figures they are: another encoder's say nothing of it
ENCODER = {"encoder": "!new:speechbrain_petl.AST", "encoder.size": "base384"}


@dataclass(frozen=True)
class Figure:
    """A published mean.

    Arguments
    ---------
    dataset, protocol, method, metric : str
        What it is of.
    percent : float
        The mean.
    paper : str
        Address.
    remark : str
        In what its setting differs.
    """

    dataset: str
    protocol: str
    method: str
    metric: str
    percent: float
    paper: str
    remark: str

    @property
    def key(self):
        """What it is of (tuple of str)."""
        return self.dataset, self.protocol, self.method, self.metric


def read_figures(recipe):
    """The published.csv of a recipe.

    Arguments
    ---------
    recipe : str
        The recipe's folder.

    Returns
    -------
    list of Figure
        Empty if the recipe has no such file.
    """
    path = Path(recipe) / PUBLISHED
    if not path.is_file():
        return []
    figures = []
    for line, row in read_table(path, COLUMNS, optional=["remark"]):
        try:
            row["percent"] = float(row["percent"])
        except ValueError:
            raise InputError(
                f"{path}, line {line}: percent={row['percent']} is no number"
            )
        figures.append(Figure(**{"remark": "", **row}))
    return figures


def figure_of(row, table, figures):
    """The published figure that a row may stand beside.

    Arguments
    ---------
    row : Row
        A method's runs.
    table : Table
        The row's.
    figures : list of Figure
        All of the recipe.

    Returns
    -------
    Figure
        None if there is none, or the runs are of another encoder, of random
        weights or of a few shots.
    """
    same_encoder = all(
        run.settings.get(key) == value
        for run in row.runs
        for key, value in ENCODER.items()
    )
    pretrained = all(r.settings.get("source") != "null" for r in row.runs)
    if row.shots is not None or not (row.runs and same_encoder and pretrained):
        return None
    wanted = (
        table.common["dataset"],
        table.common.get("protocol") or NONE,
        row.method,
        table.select,
    )
    of_it = (figure for figure in figures if figure.key == wanted)
    return next(of_it, None)


def sources_of(figures):
    """Where the figures of a table are from.

    Arguments
    ---------
    figures : list of Figure
        With None for rows that have none.

    Returns
    -------
    list of str
        A sentence for each paper.
    """
    found = {(f.paper, f.remark): None for f in figures if f}
    return [
        f"Published: as [reported]({paper}) for AST-base with AudioSet "
        "weights, without deviations; no result of this project."
        + (f" {remark}" if remark else "")
        for paper, remark in found
    ]
