"""What all pictures share: the canvas, the colours and the writing."""

import os
from textwrap import fill

from ..errors import InputError

try:
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.image import imsave  # noqa: F401
except ImportError:
    raise InputError(
        "pictures need matplotlib: pip install 'speechbrain_petl[plots]'"
    )

DPI = 120
COLOURS = colormaps["tab10"].colors
LETTERS = 9  # of a title, to an inch


def blank(width, height, title=None):
    """An empty picture, of no window and no global state.

    Arguments
    ---------
    width, height : float
        In inches.
    title : str, optional
        Broken into lines that the picture has room for.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.suptitle(fill(literal(title or ""), int(LETTERS * width)))
    return figure


def literal(text):
    """A name that matplotlib writes as it is: a dollar begins no formula.

    Arguments
    ---------
    text : str
        Such as a method or a class.

    Returns
    -------
    str
        For a label or a title.

    Example
    -------
    >>> print(literal("$x"))
    \\$x
    """
    return text.replace("$", r"\$")


def save(figure, path):
    """Write at once, so that a killed process leaves no half a picture.

    Arguments
    ---------
    figure : matplotlib.figure.Figure
        The picture.
    path : str
        The png file; its folder is made.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    figure.savefig(f"{path}.part", format="png")
    os.replace(f"{path}.part", path)


def band(axes, x, mean, deviation, **style):
    """A line of means with a band of one deviation to either side.

    Arguments
    ---------
    axes : matplotlib.axes.Axes
        Where to draw.
    x, mean, deviation : sequence of float
        Of each point; a deviation of nan leaves a gap in the band.
    **style : dict
        Colour, label and marker of the line.
    """
    axes.plot(x, mean, **style)
    low = [m - d for m, d in zip(mean, deviation)]
    high = [m + d for m, d in zip(mean, deviation)]
    axes.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)
