"""Pictures of results."""

import pandas
import torch
from matplotlib.figure import Figure

INCHES_PER_CLASS = 0.6


def draw_confusion(predictions, path):
    """Draw a confusion matrix: colour is the share of the true class.

    Arguments
    ---------
    predictions : str
        The predictions.csv of a run, whose clips have one label each.
    path : str
        The png file to write.
    """
    table = pandas.read_csv(
        predictions,
        dtype={"label": str, "predicted": str},
        keep_default_na=False,
    )
    names = [c[2:-1] for c in table.columns if c.startswith("p(")]
    index = {name: i for i, name in enumerate(names)}
    matrix = torch.zeros(len(names), len(names), dtype=torch.int)
    for true, predicted in zip(table["label"], table["predicted"]):
        matrix[index[true], index[predicted]] += 1
    share = matrix / matrix.sum(dim=1, keepdim=True).clamp(min=1)
    side = 2 + INCHES_PER_CLASS * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(names))
    axes.set_xticks(
        ticks, names, rotation=90 if max(map(len, names)) > 4 else 0
    )
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="true")
    for row, counts in enumerate(matrix.tolist()):
        for column, count in enumerate(counts):
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(
                column, row, count, ha="center", va="center", color=colour
            )
    figure.colorbar(image, label="share of the true class")
    figure.savefig(path, dpi=150)


def draw_tradeoff(results, path, title):
    """Draw accuracy against trainable parameters, a labelled dot per run.

    Arguments
    ---------
    results : list of dict
        What ``PETLBrain.train_and_test`` returned, of one data set.
    path : str
        The png file to write.
    title : str
        What was run.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    taken = []
    for result in sorted(results, key=lambda r: -r["metrics"]["accuracy"]):
        x = result["trainable_parameters"]
        y = 100 * result["metrics"]["accuracy"]
        axes.scatter(x, y, color="tab:blue", s=18)
        # a label gives way downwards where another already stands
        level = y
        while any(
            abs(level - other) < 1.6 and 0.4 < x / at < 2.5
            for at, other in taken
        ):
            level -= 0.4
        taken.append((x, level))
        moved = level < y
        axes.annotate(
            result["method"],
            (x, y),
            xytext=(x * (1.5 if moved else 1.08), level),
            fontsize=8,
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.4} if moved else None,
        )
    axes.set_xscale("log")
    axes.set(
        xlabel="trainable parameters, classifier included",
        ylabel="test accuracy, %",
        title=title,
    )
    axes.grid(alpha=0.3)
    axes.margins(x=0.15, y=0.1)
    figure.savefig(path, dpi=120)
