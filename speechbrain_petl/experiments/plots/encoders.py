"""Encoders and methods in one picture: a metric against what it costs."""

from matplotlib import colormaps
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from ...inference.canvas import COLOURS, blank, literal, save

ROWS = 25  # of the legend
MARKERS = "osD^vP*X<>ph"  # more methods are numbers
COSTS = {  # of a point -> the name of the axis
    "parameters": "trainable parameters, classifier included",
    "seconds": "seconds of training",
    "memory": "peak memory, MiB",
}
SUBS = {"parameters": (1,), "seconds": (1, 2, 5), "memory": (1, 2, 5)}


def draw_encoders(points, path, title, metric):
    """Draw a metric against parameters, seconds and memory.

    A colour is an encoder, a marker a method.

    Arguments
    ---------
    points : list of dict
        "encoder", "method", "mean", "deviation" (or None), and COSTS, each of
        which may be None.
    path, title : str
        The png file to write, and what was run.
    metric : str
        The name of the axis.

    Example
    -------
    >>> path = getfixture("tmp_path") / "encoders.png"
    >>> costs = {"parameters": 9000, "seconds": 8.0, "memory": 300}
    >>> point = {"mean": 90.0, "deviation": 1.0, **costs}
    >>> points = [
    ...     {"encoder": e, "method": "lora", **point} for e in ("AST", "BEATs")
    ... ]
    >>> draw_encoders(points, path, "made up", "accuracy, %")
    >>> path.exists()
    True
    """
    costs = [c for c in COSTS if any(p[c] for p in points)]
    encoders = list(dict.fromkeys(p["encoder"] for p in points))
    methods = list(dict.fromkeys(p["method"] for p in points))
    colours, markers = _colours(len(encoders)), _markers(len(methods))
    columns = -(-(len(encoders) + len(methods)) // ROWS)
    figure = blank(4.5 * len(costs) + 1.5 * columns, 5, title)
    every = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axes, cost in zip(every, costs):
        for p in (p for p in points if p[cost]):
            axes.errorbar(
                p[cost],
                p["mean"],
                p["deviation"],
                marker=markers[methods.index(p["method"])],
                color=colours[encoders.index(p["encoder"])],
                **{"ls": "", "ms": 6, "lw": 1, "capsize": 2, "alpha": 0.85},
            )
        _scale(axes, cost)
    every[0].set_ylabel(metric)
    keys = [
        *(
            _key(every[0], encoder, colour, linestyle="-")
            for encoder, colour in zip(encoders, colours)
        ),
        *(
            _key(every[0], method, "0.35", marker=marker, linestyle="")
            for method, marker in zip(methods, markers)
        ),
    ]
    figure.legend(
        handles=keys,
        ncols=columns,
        loc="outside right upper",
        fontsize=8,
        frameon=False,
    )
    save(figure, path)


def _scale(axes, cost):
    """Powers of what is paid."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=SUBS[cost]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(COSTS[cost])
    axes.grid(alpha=0.3)
    axes.margins(x=0.1, y=0.08)


def _colours(count):
    """One for each encoder."""
    if count <= len(COLOURS):
        return COLOURS
    return [colormaps["turbo"](i / (count - 1)) for i in range(count)]


def _markers(count):
    """One for each method."""
    numbers = range(len(MARKERS) + 1, count + 1)
    return [*MARKERS, *(f"${number}$" for number in numbers)]


def _key(axes, name, colour, **how):
    """An entry of the legend."""
    (line,) = axes.plot([], [], color=colour, lw=6, label=literal(name), **how)
    return line
