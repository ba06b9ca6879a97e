"""Lines with bands: learning curves, and a metric against the shots."""

import math
from statistics import mean, stdev

from matplotlib.ticker import MaxNLocator

from ...inference.canvas import COLOURS, band, blank, literal, save


def draw_curves(histories, metric, path, title, scale=1):
    """Draw loss and metric by epoch; bands are a deviation over the runs.

    Arguments
    ---------
    histories : dict
        Name -> the ``history`` of each of its runs, as in result.json.
    metric : str
        Drawn beside the loss.
    path, title : str
        The png file to write, and what was run.
    scale : float
        Of the metric: 100 for percent.

    Example
    -------
    >>> path = getfixture("tmp_path") / "learning.png"
    >>> epochs = [{"epoch": e, "train": {"loss": 1 / e}} for e in (1, 2)]
    >>> draw_curves({"lora": [epochs, epochs]}, "accuracy", path, "two epochs")
    >>> path.exists()
    True
    """
    panels = [
        (stage, name)
        for name in dict.fromkeys(["loss", metric])
        for stage in ("train", "valid")
        if any(
            name in epoch.get(stage, {})
            for runs in histories.values()
            for run in runs
            for epoch in run
        )
    ]
    columns = min(2, len(panels)) or 1
    rows = math.ceil(len(panels) / columns) or 1
    figure = blank(4.5 * columns + 2, 3.2 * rows + 0.5, title)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (stage, name) in zip(grid.flat, panels):
        for colour, (label, runs) in zip(COLOURS, histories.items()):
            times = scale if name == metric else 1
            lines = [_line(run, stage, name, times) for run in runs]
            if any(lines):
                band(
                    axes, *_over_runs(lines), color=colour, label=literal(label)
                )
        unit = ", %" if name == metric and scale == 100 else ""
        axes.set(title=f"{stage}: {name}{unit}", xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    handles, labels = _legend(grid)
    figure.legend(handles, labels, loc="outside right center")
    save(figure, path)


def draw_shots(curves, levels, metric, path, title):
    """Draw a metric against the training clips a class, a line per method.

    Arguments
    ---------
    curves : dict
        Method -> its points (shots, mean, deviation), sorted.
    levels : dict
        Method -> its mean with all clips, drawn as a dashed line.
    metric : str
        The name of the axis.
    path, title : str
        The png file to write, and what was run.

    Example
    -------
    >>> path = getfixture("tmp_path") / "shots.png"
    >>> points = [(1, 30.0, 2.0), (4, 50.0, 1.0)]
    >>> draw_shots({"lora": points}, {}, "accuracy, %", path, "few shots")
    >>> path.exists()
    True
    """
    figure = blank(7, 4.5, title)
    axes = figure.subplots()
    names = list(dict.fromkeys([*curves, *levels]))
    for colour, name in zip(COLOURS, names):
        if name in curves:
            style = {"color": colour, "marker": "o", "label": literal(name)}
            band(axes, *zip(*curves[name]), **style)
        if name in levels:
            axes.axhline(levels[name], color=colour, ls="--", lw=1)
    axes.set_xscale("log")
    shots = sorted({point[0] for points in curves.values() for point in points})
    axes.set_xticks(shots, [str(k) for k in shots])
    axes.minorticks_off()
    more = "; dashed: all clips" if levels else ""
    axes.set(xlabel=f"training clips a class{more}", ylabel=metric)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    save(figure, path)


def _line(run, stage, name, scale):
    """epoch -> value, without those that are null, which stands for nan."""
    return {
        epoch["epoch"]: scale * epoch[stage][name]
        for epoch in run
        if epoch.get(stage, {}).get(name) is not None
    }


def _over_runs(lines):
    """Epochs, means and deviations over those runs that have the epoch."""
    epochs = sorted(set().union(*lines))
    values = [[line[e] for line in lines if e in line] for e in epochs]
    deviations = [stdev(v) if len(v) > 1 else math.nan for v in values]
    return epochs, [mean(v) for v in values], deviations


def _legend(grid):
    """Each label once, in the order of the first panel that has it."""
    entries = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    return list(entries.values()), list(entries)
