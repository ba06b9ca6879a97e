"""Confusion matrix of the test predictions of one run or of several folds."""

import os

import pandas

from ...errors import InputError
from ...inference.canvas import blank, literal, save
from ...training.predictions import SEPARATOR, read_predictions

COUNTED = 20  # classes: with more, the cells are too small for their counts
LEGIBLE = 60  # classes: with more, their names are


def draw_confusion(predictions, path, title=None):
    """Draw a confusion matrix: colour is the fraction of the true class.

    Arguments
    ---------
    predictions : str or list of str
        The predictions.csv of a run, or those of several, which are summed.
    path : str
        The png file to write.
    title : str, optional
        What was run.

    Returns
    -------
    str
        Why no picture was drawn; empty if one was.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> rows = "id,label,predicted,p(cat),p(dog)\\na,cat,dog,0.2,0.8\\n"
    >>> _ = (folder / "predictions.csv").write_text(rows)
    >>> draw_confusion(folder / "predictions.csv", folder / "confusion.png")
    ''
    """
    if isinstance(predictions, (str, os.PathLike)):
        predictions = [predictions]
    try:
        tables = [read_predictions(file) for file in predictions]
    except InputError as error:
        return f"no confusion matrix: {error}"
    names = list(dict.fromkeys(n for t in tables for n in _classes(t)))
    if len(names) > LEGIBLE:
        return f"no confusion matrix: {len(names)} classes are too many to read"
    table = pandas.concat(tables)
    if not set(table["label"]) | set(table["predicted"]) <= set(names):
        return f"no confusion matrix: clips have several labels ({SEPARATOR}) or none"
    counts = pandas.crosstab(table["label"], table["predicted"])
    matrix = counts.reindex(index=names, columns=names, fill_value=0)
    _draw(matrix.to_numpy(), names, path, title)
    return ""


def _classes(table):
    return [c[2:-1] for c in table.columns if c.startswith("p(")]


def _draw(matrix, names, path, title):
    counted = len(names) <= COUNTED
    side = 2 + (0.6 if counted else 0.2) * len(names)
    figure = blank(side + 1, side, title)
    axes = figure.subplots()
    fractions = matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    ticks, size = range(len(names)), 10 if counted else 8
    names = [literal(name) for name in names]
    turned = 90 if not counted or max(map(len, names)) > 4 else 0
    axes.set_xticks(ticks, names, rotation=turned, fontsize=size)
    axes.set_yticks(ticks, names, fontsize=size)
    axes.set(xlabel="predicted", ylabel="true")
    for row, counts in enumerate(matrix.tolist() if counted else []):
        for column, count in enumerate(counts):
            colour = "white" if fractions[row, column] > 0.5 else "black"
            axes.text(
                column, row, count, ha="center", va="center", color=colour
            )
    figure.colorbar(image, label="fraction of the true class", shrink=0.8)
    save(figure, path)
