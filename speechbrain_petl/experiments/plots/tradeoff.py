"""A metric against trainable parameters, a labelled dot per method."""

from itertools import product

import numpy

from ...inference.canvas import COLOURS, blank, literal, save

RADII = (7, 16, 28, 42, 58)  # points from a dot to its label
ANGLES = numpy.radians((0, 180, 90, 270, 45, 315, 135, 225))
POSITIONS = list(product(RADII, ANGLES))  # the first that is free is taken


def draw_tradeoff(points, path, title, metric):
    """Draw a metric against trainable parameters, with error bars.

    Arguments
    ---------
    points : list of tuple
        (label, trainable parameters, mean, deviation or None).
    path, title : str
        The png file to write, and what was run.
    metric : str
        The name of the axis.

    Example
    -------
    >>> path = getfixture("tmp_path") / "tradeoff.png"
    >>> points = [("lora", 222720, 86.4, 1.5), ("linear", 1536, 75.8, None)]
    >>> draw_tradeoff(points, path, "made up", "accuracy, %")
    >>> path.exists()
    True
    """
    figure = blank(8, 5, title)
    axes = figure.subplots()
    for _, x, y, deviation in points:
        axes.errorbar(
            x, y, deviation, fmt="o", ms=4, color=COLOURS[0], lw=1, capsize=2
        )
    axes.set_xscale("log")
    axes.set(xlabel="trainable parameters, classifier included", ylabel=metric)
    axes.grid(alpha=0.3)
    axes.margins(x=0.15, y=0.1)
    figure.draw_without_rendering()  # labels need to know where the dots are
    figure.set_layout_engine("none")
    _label(axes, points)
    save(figure, path)


def _label(axes, points):
    """Put each label at the nearest place that is free, with a line to it."""
    taken = [_around(axes, [(x, y)], 4) for _, x, y, _ in points]
    taken += [
        _around(axes, [(x, y - deviation), (x, y + deviation)], 2)
        for _, x, y, deviation in points
        if deviation
    ]
    frame = axes.bbox.get_points()
    for name, x, y, _ in points:
        text = axes.annotate(
            literal(name),
            (x, y),
            (0, 0),
            textcoords="offset points",
            fontsize=8,
        )
        size = numpy.ptp(text.get_window_extent().get_points(), axis=0)
        dot = axes.transData.transform((x, y))
        boxes = [_box(axes.figure, dot, size, *p) for p in POSITIONS]
        costs = [_cost(box, numpy.array(taken), frame) for box in boxes]
        best = int(numpy.argmin(costs))  # the first of equals
        taken.append(boxes[best])
        _move(text, *POSITIONS[best])
        if POSITIONS[best][0] > RADII[0]:
            axes.annotate(
                "",
                (x, y),
                text.get_position(),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "lw": 0.4},
            )


def _around(axes, points, margin):
    """The box of some points of the data, two corners in pixels."""
    pixels = axes.transData.transform(points)
    return numpy.stack(
        [pixels.min(axis=0) - margin, pixels.max(axis=0) + margin]
    )


def _direction(angle):
    return numpy.round([numpy.cos(angle), numpy.sin(angle)], 3)


def _box(figure, dot, size, radius, angle):
    """Where ``_move`` puts a label of this size, two corners in pixels."""
    direction = _direction(angle)
    centre = dot + direction * radius * figure.dpi / 72
    centre = centre + numpy.sign(direction) * size / 2
    return numpy.stack([centre - size / 2, centre + size / 2])


def _move(text, radius, angle):
    x, y = (float(v) for v in _direction(angle))
    text.set_position((radius * x, radius * y))
    text.set_ha("left" if x > 0 else "right" if x < 0 else "center")
    text.set_va("bottom" if y > 0 else "top" if y < 0 else "center")


def _cost(box, taken, frame):
    """Square pixels of a label that are not free, or outside the frame."""
    outside = numpy.prod(box[1] - box[0]) - _overlap(box, frame)
    return outside + _overlap(box, taken).sum()


def _overlap(box, others):
    """Shared area of a box with others (..., corner, axis)."""
    low = numpy.maximum(box[0], others[..., 0, :])
    high = numpy.minimum(box[1], others[..., 1, :])
    return (high - low).clip(min=0).prod(axis=-1)
