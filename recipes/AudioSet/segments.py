"""AudioSet's csv files, and the clips of a folder that they list.

Two million rows fit into a few flat arrays; as Python objects they would take
gigabytes in every process.
"""

import csv
import os
import re
from array import array

import numpy as np
from speechbrain_petl import InputError
from speechbrain_petl.data.clips import NO_LABEL
from speechbrain_petl.data.kinds import ENDINGS
from speechbrain_petl.data.tables import wrong_folder

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

CLASSES_CSV = "class_labels_indices.csv"
COLUMNS = ["index", "mid", "display_name"]
CLASSES = 527
SETS = {  # name: csv file, its official number of clips
    "balanced": ("balanced_train_segments.csv", 22160),
    "unbalanced": ("unbalanced_train_segments.csv", 2041789),
    "eval": ("eval_segments.csv", 20371),
}
ID_LENGTH = 11  # characters of a YouTube id
# <id> or Y<id>, then the start and the end in seconds, or milliseconds
STEM = re.compile(rf"Y?([\w-]{{{ID_LENGTH}}})(?:_\d+(?:\.\d+)?){{0,2}}", re.A)
FIELDS = 4  # id, start, end, labels


def read_classes(folder):
    """The classes, in the official order.

    Arguments
    ---------
    folder : str
        Where class_labels_indices.csv is.

    Returns
    -------
    dict
        Label (such as "/m/09x0r") -> its name (such as "Speech").
    """
    path, classes = _path(folder, CLASSES_CSV), {}
    for line, row in _rows(path):
        if line == 1:
            if row != COLUMNS:
                raise InputError(
                    f"{path}, line 1: {','.join(row)} should be "
                    f"{','.join(COLUMNS)}. Download the file again."
                )
            continue
        if len(row) != len(COLUMNS) or row[0] != str(len(classes)):
            raise InputError(
                f"{path}, line {line}: {','.join(row)!r} is not index,mid,"
                f"display_name of class {len(classes)}. Download the file "
                "again."
            )
        for name in row[1:]:
            if name in classes or name in classes.values():
                raise InputError(f"{path}, line {line}: {name} is there twice")
        classes[row[1]] = row[2]
    if len(classes) != CLASSES:
        logger.warning(f"{path} has {len(classes)} classes, AudioSet {CLASSES}")
    return classes


def read_segments(folder, name, classes):
    """The clips of one of the three lists.

    Arguments
    ---------
    folder : str
        Where the csv files are.
    name : str
        "balanced", "unbalanced" or "eval".
    classes : iterable of str
        All labels.

    Returns
    -------
    ids : numpy.ndarray
        YouTube ids as bytes (clip,).
    labels : numpy.ndarray
        Indices of classes (clip, most labels of a clip), filled up with
        NO_LABEL.
    """
    file, official = SETS[name]
    path = _path(folder, file)
    index_of = {label: i for i, label in enumerate(classes)}
    ids, flat, counts = bytearray(), array("H"), array("H")
    for line, row in _rows(path, skip="#"):
        place = f"{path}, line {line}"
        ids += _checked_id(row, place)
        names = row[3].split(",")
        for label in names:
            if label not in index_of:
                raise InputError(
                    f"{place}: the label {label!r} is not in {CLASSES_CSV}. "
                    "Take both files from the same release."
                )
        counts.append(len(names))
        flat.extend(index_of[label] for label in names)
    if not counts:
        raise InputError(f"{path} lists no clips. Download the file again.")
    if len(counts) != official:
        logger.warning(
            f"{path} lists {len(counts)} clips, the official one {official}: "
            "results are not comparable with published ones"
        )
    ids = np.frombuffer(bytes(ids), dtype=f"S{ID_LENGTH}")
    _check_unique(ids, path)
    counts = np.frombuffer(counts, dtype=np.uint16)
    labels = np.full((len(ids), max(counts)), NO_LABEL, np.uint16)
    labels[np.arange(labels.shape[1]) < counts[:, None]] = flat
    return ids, labels


def find_clips(folder):
    """All audio files below a folder whose name is a YouTube id.

    Arguments
    ---------
    folder : str
        Searched with its subfolders. The names are STEM and an ending; other
        files are left alone.

    Returns
    -------
    ids : numpy.ndarray
        YouTube ids as bytes, sorted (file,).
    files : numpy.ndarray
        Their paths as bytes (file,).
    """
    if not os.path.isdir(folder):
        raise InputError(f"clips_folder={folder} is no folder")
    ids, place, folders, kinds = bytearray(), array("I"), [], {}
    kind = array("I")
    for root, subfolders, names in os.walk(os.path.abspath(folder)):
        subfolders.sort()
        for name in sorted(names):
            stem, extension = os.path.splitext(name)
            found = STEM.fullmatch(stem)
            if not found or extension.lower() not in ENDINGS:
                continue
            ids += found[1].encode()
            place.append(len(folders))
            around = stem[: found.start(1)], stem[found.end(1) :] + extension
            kind.append(kinds.setdefault(around, len(kinds)))
        folders.append(os.fsencode(os.path.join(root, "")))
    ids = np.frombuffer(bytes(ids), dtype=f"S{ID_LENGTH}")
    order = ids.argsort(kind="stable")  # the first of two in sorted order
    ids, place, kind = ids[order], np.array(place)[order], np.array(kind)[order]
    starts, ends = (np.array(x, dtype="S") for x in zip(*kinds or [("", "")]))
    names = np.strings.add(np.strings.add(starts[kind], ids), ends[kind])
    return ids, np.strings.add(np.array(folders)[place], names)


def _path(folder, file):
    path = os.path.join(folder, file)
    if os.path.isfile(path):
        return path
    remedy = (
        "Download it from https://research.google.com/audioset/download.html"
    )
    raise wrong_folder(folder, file, remedy)


def _rows(path, skip=None):
    """(line number, fields) of the lines that are neither blank nor skipped."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for row in reader:
                if any(map(str.strip, row)) and not (
                    skip and row[0].startswith(skip)
                ):
                    yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no csv file: {error}")


def _checked_id(row, place):
    try:
        ytid, start, end, labels = row
        if float(start) < float(end) and len(ytid.encode("ascii")) == ID_LENGTH:
            return ytid.encode()
    except ValueError:
        pass
    raise InputError(
        f"{place}: {', '.join(row)!r} is not `YTID, start_seconds, "
        'end_seconds, "labels"`. Download the file again.'
    )


def _check_unique(ids, path):
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        twice = unique[counts > 1][0].decode()
        raise InputError(f"{path} lists {twice} twice")
