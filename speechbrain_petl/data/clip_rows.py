"""A row of a table of labelled clips, checked: a file, labels, a split, a part."""

import os
import re
import unicodedata
from pathlib import Path

from ..errors import InputError
from .cells import NOTHING as NAN
from .tables import is_inside

SPLITS = {  # split -> what else its folder, file or cell may be called
    "train": ("training",),
    "valid": ("validation", "val", "dev", "development"),
    "test": ("testing", "eval", "evaluation"),
}
# in what may be empty
NOTHING = ("", "None", "null", "NULL", "NA", "N/A", *NAN)
MISSING = "is missing"
FORMS = "NFC", "NFD"  # of an accent: with its letter, and apart as on macOS
SPLIT_NAMES = {n for split, more in SPLITS.items() for n in (split, *more)}


def clip_of(row, folders, root):
    """A clip of a row, checked.

    Arguments
    ---------
    row : dict
        As ``rows_of`` yields it.
    folders : list of pathlib.Path
        What its path may be relative to; the first that has it counts.
    root : pathlib.Path
        The folder below which it must be.

    Returns
    -------
    dict
        As ``layouts.read_clips`` returns it, but for "where".
    """
    wav = _found(row["path"], folders, root)
    start, stop = (_seconds(row, name) for name in ("start", "stop"))
    if start is not None and stop is None:  # else a duration is the file's
        lasts = _seconds(row, "duration")
        stop = lasts and start + lasts
    if stop is not None and stop <= (start or 0.0):
        raise InputError(f"stop={stop} is not after start={start or 0.0}")
    if not any(row["labels"]):
        raise InputError("label is empty")
    split, group = _given(row, "split"), _given(row, "group")
    if split and split_of(split) is None:
        raise InputError(f"split={split} is not one of {', '.join(SPLITS)}")
    name = Path(os.path.relpath(wav, root)).as_posix()  # of ../data too
    if start is not None or stop is not None:
        name += f":{start or 0:g}-{'' if stop is None else f'{stop:g}'}"
    return {
        "id": row.get("id") or name,
        "wav": str(wav),
        "labels": sorted(set(row["labels"])),
        "split": split and split_of(split),
        "group": group,
        "start": start,
        "stop": stop,
    }


def split_of(name):
    """The split that a name means, or None.

    Arguments
    ---------
    name : str
        Of a folder or file, or in a cell.

    Returns
    -------
    str
        One of SPLITS.

    Example
    -------
    >>> split_of("Validation"), split_of("esc_train_data_1"), split_of("dog")
    ('valid', 'train', None)
    """
    words = set(re.split(r"[\W_\d]+", str(name).lower()))
    found = [s for s, more in SPLITS.items() if words & {s, *more}]
    return found[0] if len(found) == 1 else None


def _found(name, folders, root):
    """The file that a name means, of Windows, of macOS or not."""
    slashes = name, name.replace("\\", "/")
    names = [unicodedata.normalize(x, n) for x in FORMS for n in slashes]
    names = dict.fromkeys((*slashes, *names))

    def existing(folder, top):
        paths = [folder / n for n in names if is_inside(str(folder / n), top)]
        return [Path(os.path.normpath(p)) for p in paths if p.is_file()]

    for folder in folders[:2]:  # that of the table, and the root
        if existing(folder, str(root)):
            return existing(folder, str(root))[0]
    found = [p for f in folders[2:] for p in existing(f, str(f))]
    if len(found) > 1:
        raise InputError(f"{name} is {found[0]}, or {found[1]}: which one?")
    if found:
        return found[0]
    path = folders[0] / name
    if not is_inside(str(path), str(root)):
        raise InputError(
            f"{name} leads out of {root}. Put the file below it, or a link"
        )
    raise InputError(f"the audio file {path} {MISSING}")


def _given(row, name):
    """What a row says as a text, or None."""
    value = str(row.get(name, ""))
    return None if value in NOTHING else value


def _seconds(row, name):
    value = _given(row, name)
    if value is None:
        return None
    try:
        seconds = float(value.replace(",", "."))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InputError(f"{name}={value} is no number of seconds")
    return seconds
