"""One picture over all encoders: tables that differ in their encoder alone."""

from dataclasses import replace
from pathlib import PurePosixPath

from ..plots import draw_encoders


def across_encoders(tables):
    """Tables that only the encoder tells apart.

    Arguments
    ---------
    tables : list of Table
        All of a report.

    Returns
    -------
    list of list of Table
        Two or more each, in their order.
    """
    groups = {}
    for table in tables:
        same = {k: v for k, v in table.common.items() if k != "encoder"}
        key = (*same.items(), table.select)
        groups.setdefault(key, []).append(table)
    return [group for group in groups.values() if len(group) > 1]


def draw_across(tables, path):
    """Draw what the runs of some encoders reach, and what they cost.

    Arguments
    ---------
    tables : list of Table
        As ``across_encoders`` returns them.
    path : str
        The png file.

    Returns
    -------
    bool
        False where fewer than two encoders have a figure to draw.
    """
    first, points = tables[0], []
    for table in tables:
        for row in table.rows:
            points += [_point(table, row)] if row.shots is None else []
    points = [p for p in points if p["mean"] is not None]
    if len({p["encoder"] for p in points}) < 2:
        return False
    heading = f"test {first.heading(first.select)}"
    title = f"{title_of(tables)}: encoders and methods"
    draw_encoders(points, path, title, heading)
    return True


def title_of(tables):
    """What tables have in common, the encoder left out (str)."""
    first = tables[0]
    same = {k: v for k, v in first.common.items() if k != "encoder"}
    return replace(first, common=same).title


def _point(table, row):
    scale, results = table.scale(table.select), [r.result for r in row.runs]
    mean, deviation = row.statistics(table.select)
    return {
        "encoder": encoder_name(table),
        "method": PurePosixPath(row.method).name,
        "mean": None if mean is None else scale * mean,
        "deviation": None if deviation is None else scale * deviation,
        "parameters": _mean(results, "trainable_parameters"),
        "seconds": _mean(results, "seconds"),
        "memory": _mean(results, "peak_memory_mib"),
    }


def _mean(results, key):
    values = [r[key] for r in results if isinstance(r.get(key), (int, float))]
    return sum(values) / len(values) if values else None


def encoder_name(table):
    """What a picture calls a table's encoder, such as "Whisper tiny" (str)."""
    run = table.runs[0] if table.runs else None
    kind = run and (
        run.result.get("encoder_class")
        or run.settings.get("encoder", "").rpartition(".")[2]
    )
    said = table.common.get("encoder")
    words = [kind, said if said != kind else None]
    return " ".join(str(word) for word in words if word) or "?"
