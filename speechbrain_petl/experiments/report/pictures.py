"""Which pictures a table gets, and where they go."""

import re
from pathlib import Path

from ...inference.canvas import COLOURS
from ...training.predictions import PREDICTIONS
from ..plots import (
    draw_confusion,
    draw_curves,
    draw_embeddings,
    draw_shots,
    draw_tradeoff,
)
from .embeddings import embed_test_set


def draw_all(table, folder):
    """Draw what a table's runs allow.

    Arguments
    ---------
    table : Table
        Rows and their runs.
    folder : str
        Where the png files go.

    Returns
    -------
    pictures : list of tuple
        (path of the png file, what it shows).
    words : list of str
        Why a picture was left out.
    """
    stem = Path(folder) / slug(table.title)
    rows = _comparable(table)
    pictures, words = [], []
    if len(rows) > 1:
        path = f"{stem}_tradeoff.png"
        _tradeoff(table, rows, path)
        pictures.append((path, "Test result against trainable parameters"))
    if any(run.result["history"] for row in rows for run in row.runs):
        path = f"{stem}_learning.png"
        _learning(table, rows[: len(COLOURS)], path)
        pictures.append((path, "Learning curves"))
    if len(rows) > len(COLOURS):
        words.append(f"learning curves: the best {len(COLOURS)} methods")
    curves = _shots(table)
    if curves:
        path = f"{stem}_shots.png"
        heading = f"test {table.heading(table.select)}"
        draw_shots(*curves, heading, path, _title(table, table.rows))
        pictures.append((path, "Few-shot curves"))
    if rows:
        path = f"{stem}_confusion.png"
        whole = [row for row in rows if len(row.runs) == row.complete]
        best = (whole or rows)[0]
        word = _confusion(table, best, path)
        words += [word] if word else []
        pictures += [] if word else [(path, f"Confusions of {best.name}")]
    return pictures, words


def draw_clips(table, run, folder):
    """Draw a t-SNE of the test clips of a run.

    Arguments
    ---------
    table : Table
        The run's.
    run : Run
        A finished one, whose weights and data are still there.
    folder : str
        Where the png file goes.

    Returns
    -------
    tuple
        (path of the png file, what it shows).
    """
    # builds models; tables need none
    from ...inference.classifier import AudioClassifier

    clips = embed_test_set(run.folder, AudioClassifier.from_run(run.folder))
    path = str(Path(folder) / f"{slug(table.title)}_tsne.png")
    words = f"t-SNE of the test clips, `{run.name}`"
    draw_embeddings(*clips, path, f"{table.title}: t-SNE, {run.name}")
    return path, words


def slug(text):
    """A name for a file, of a title.

    Arguments
    ---------
    text : str
        Any.

    Returns
    -------
    str
        Of letters that every system takes.

    Example
    -------
    >>> slug("ESC-10, protocol 3-1-1")
    'esc-10_protocol_3-1-1'
    """
    return re.sub(r"[^a-z0-9.-]+", "_", text.lower()).strip("_")


def _comparable(table):
    """Rows of as many shots as the best one's, or all clips if there are."""
    rows = [r for r in table.rows if r.statistics(table.select)[0] is not None]
    full = [row for row in rows if row.shots is None]
    return full or [row for row in rows if row.shots == rows[0].shots]


def _short(names):
    """Without the folder that all of them are in: the title has the encoder.

    >>> (
    ...     _short(["whisper/lora", "whisper/full"]),
    ...     _short(["whisper/lora", "ia3"]),
    ... )
    (['lora', 'full'], ['whisper/lora', 'ia3'])
    """
    folders = {name.rpartition("/")[0] for name in names}
    folder = f"{folders.pop()}/" if len(folders) == 1 else ""
    return [name.removeprefix(folder) for name in names]


def _tradeoff(table, rows, path):
    scale = table.scale(table.select)
    points, names = [], _short([row.name for row in rows])
    for name, row in zip(names, rows):
        mean, deviation = row.statistics(table.select)
        scaled = None if deviation is None else scale * deviation
        size = max(run.result["trainable_parameters"] for run in row.runs)
        points.append((name, size, scale * mean, scaled))
    heading = f"test {table.heading(table.select)}"
    draw_tradeoff(points, path, _title(table, rows), heading)


def _learning(table, rows, path):
    names = _short([row.name for row in rows])
    histories = {
        name: [run.result["history"] for run in row.runs]
        for name, row in zip(names, rows)
    }
    title, scale = _title(table, rows), table.scale(table.select)
    draw_curves(histories, table.select, path, title, scale)


def _shots(table):
    """Curves and levels; None if no method has two numbers of shots."""
    scale, curves, levels = table.scale(table.select), {}, {}
    for row in sorted(table.rows, key=lambda row: row.shots or 0):
        mean, deviation = row.statistics(table.select)
        if mean is None:
            continue
        if row.shots is None:
            levels[row.method] = scale * mean
        else:
            spread = float("nan") if deviation is None else scale * deviation
            point = (row.shots, scale * mean, spread)
            curves.setdefault(row.method, []).append(point)
    if all(len(points) < 2 for points in curves.values()):
        return None
    order = list(dict.fromkeys(row.method for row in table.rows))
    order = [name for name in order if name in curves][: len(COLOURS)]
    short = dict(zip(order, _short(order)))
    return (
        {short[name]: curves[name] for name in order},
        {short[name]: levels[name] for name in order if name in levels},
    )


def _confusion(table, row, path):
    """Of one method, the test clips of all its folds and seeds."""
    files = [run.folder / PREDICTIONS for run in row.runs]
    missing = [r for r, file in zip(row.runs, files) if not file.is_file()]
    if missing:
        return (
            f"no confusion matrix of {row.name}: `{missing[0].name}` has no "
            f"{PREDICTIONS}"
        )
    count = f"{len(files)} run" + ("s" if len(files) > 1 else "")
    return draw_confusion(files, path, f"{table.title}: {row.name}, {count}")


def _title(table, rows):
    """The table's, and whether folds are missing."""
    whole = all(len(row.runs) == row.complete for row in rows)
    return table.title + ("" if whole else " (incomplete, see the table)")
