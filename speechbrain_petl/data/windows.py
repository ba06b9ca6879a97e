"""Long recordings cut into windows: manifests with an entry for each window.

An entry has "start" and "stop" in seconds, the "file" it is a window of, and
the "labels" of that file, one or more. ``voting.PerFile`` joins them again.
"""

import os
from functools import partial

import torch

from speechbrain.utils.logger import get_logger

from ..errors import InputError, check_count, refuse_all
from .audio import SAMPLE_RATE, read_audio
from .dataio import check_files, read_manifests
from .manifests import write_entries

logger = get_logger(__name__)

# of a window: a rest of a recording that is shorter is left out
LEAST_NEW = 0.1
MOST_LATE = 1.0  # seconds after its end that a part of a file may stop
MOST_OVERLAP = 0.99  # beyond, a recording has windows without number


def cut(duration, window, overlap=0.0):
    """Where the windows of a recording lie.

    The last one ends with the recording. One that is shorter than a window is
    a single, shorter one.

    Arguments
    ---------
    duration, window : float
        Seconds.
    overlap : float
        Ratio of a window that the next one repeats, up to 0.99.

    Returns
    -------
    list of tuple of float
        (start, stop) in seconds.

    Example
    -------
    >>> cut(25, window=10)
    [(0, 10), (10, 20), (15, 25)]
    >>> cut(20.5, window=10, overlap=0.5)
    [(0.0, 10.0), (5.0, 15.0), (10.0, 20.0)]
    >>> cut(3, window=10)
    [(0, 3)]
    """
    if not 0 <= overlap <= MOST_OVERLAP:
        raise InputError(
            f"overlap={overlap} is no ratio of a window: give one from 0 to "
            f"{MOST_OVERLAP}"
        )
    hop = window * (1 - overlap) if overlap else window
    # a hair more, so that rounding loses no window of an exact multiple
    hops = max(0, int((duration - window) / hop + 1e-6))
    starts = [hop * i for i in range(hops + 1)]
    if duration - window - starts[-1] > LEAST_NEW * window:
        starts.append(duration - window)
    return [(start, min(start + window, duration)) for start in starts]


def write_windows(path, items, window, overlap=0.0, most=None):
    """Check every file of a split and write a manifest of its windows.

    Arguments
    ---------
    path : str
        The json file.
    items : dict
        Id -> {"wav": path, "labels": list of str, ...}, and "start" and "stop"
        (seconds) of what is a part of its file.
    window : float
        Seconds.
    overlap : float
        Ratio of a window that the next one repeats.
    most : int, optional
        Windows of an item, spread over it; so that no long recording outweighs
        the others.
    """
    if most is not None:
        check_count("max_windows", most)
    durations = check_files(path, items)
    entries, problems, late = {}, [], []
    for key, item in items.items():
        begin, end = item.get("start") or 0.0, durations[key]
        if item.get("stop") is not None:
            late += [key] if item["stop"] > end + MOST_LATE else []
            end = min(end, item["stop"])
        if (end - begin) * SAMPLE_RATE < 1:
            what = "its file ends" if end == durations[key] else "it stops"
            problems.append(f"{key} starts at {begin} s, {what} at {end} s")
            continue
        spans = cut(end - begin, window, overlap)
        if most and len(spans) > most:
            spans = [spans[i * len(spans) // most] for i in range(most)]
        for number, (start, stop) in enumerate(spans):
            entries[f"{key}:{number:05d}"] = {
                **item,
                "file": key,
                "start": round(begin + start, 6),
                "stop": round(begin + stop, 6),
                "duration": round(stop - start, 6),
            }
    refuse_all(os.path.basename(path), problems, "Correct start and stop.")
    if late:
        logger.warning(
            f"{len(late)} parts stop long after their files do, such as "
            f"{late[0]}: are start and stop in seconds?"
        )
    write_entries(path, entries)


def read_window(wav, start=0.0, stop=None):
    """The part of a recording between two moments.

    Arguments
    ---------
    wav : str
        An audio file.
    start : float
        Seconds.
    stop : float, optional
        Seconds; without it, to the end.

    Returns
    -------
    torch.Tensor
        Waveform (sample,).
    """
    if stop is None:
        return read_audio(wav, start=start)
    return read_audio(wav, round((stop - start) * SAMPLE_RATE), start=start)


def windowed_datasets(
    manifests, labels_file, shots=None, seed=0, tagging=False
):
    """Datasets of windows, each of which knows its file.

    Items are ``id``, ``sig`` (sample,), ``name`` and ``file`` (that of the
    file, and its number) and ``soft_targets`` (class,): one-hot, or equal parts if
    the file has several labels. The label set is that of all manifests,
    sorted.

    Arguments
    ---------
    manifests : dict
        split -> path of a manifest that ``write_windows`` wrote.
    labels_file, shots, seed
        As for ``dataio.read_manifests``.
    tagging : bool
        ``soft_targets`` are 1 for each label of a file.

    Returns
    -------
    tuple
        As ``dataio.read_manifests`` does.
    """
    datasets, labels = read_manifests(manifests, labels_file, shots, seed)
    for data in datasets.values():
        files = {entry["file"] for entry in data.data.values()}
        index = {name: i for i, name in enumerate(sorted(files))}
        data.add_dynamic_item(
            read_window, takes=["wav", "start", "stop"], provides="sig"
        )
        data.add_dynamic_item(
            index.__getitem__, takes="file", provides="file_index"
        )
        data.add_dynamic_item(
            partial(_soft_targets, encoder=labels, tagging=tagging),
            takes="labels",
            provides="soft_targets",
        )
        data.set_output_keys(
            {
                "id": "id",
                "sig": "sig",
                "name": "file",
                "file": "file_index",
                "soft_targets": "soft_targets",
            }
        )
    return datasets, labels


def class_weights(data, labels):
    """Weights that make the classes of unequal size count alike.

    Weight = windows / (classes x windows of the class), so that the mean over
    the windows is 1.

    Arguments
    ---------
    data : speechbrain.dataio.dataset.DynamicItemDataset
        Training windows.
    labels : speechbrain.dataio.encoder.CategoricalEncoder
        The label set.

    Returns
    -------
    torch.Tensor
        Weights (class,).
    """
    soft_targets = (
        _soft_targets(e["labels"], labels) for e in data.data.values()
    )
    sizes = sum(soft_targets).clamp(min=1)
    return sizes.sum() / (len(sizes) * sizes)


def clip_weights(data, labels, weights):
    """How often to draw each window so that the classes are balanced.

    Arguments
    ---------
    data : speechbrain.dataio.dataset.DynamicItemDataset
        Training windows.
    labels : speechbrain.dataio.encoder.CategoricalEncoder
        The label set.
    weights : torch.Tensor
        Of the classes, as ``class_weights`` returns them.

    Returns
    -------
    torch.Tensor
        Weights (window,).
    """
    soft_targets = [
        _soft_targets(e["labels"], labels) for e in data.data.values()
    ]
    return torch.stack(soft_targets) @ weights


def _soft_targets(names, encoder, tagging=False):
    targets = torch.tensor([encoder.encode_label(name) for name in names])
    hot = torch.nn.functional.one_hot(targets, len(encoder)).float()
    return hot.amax(0) if tagging else hot.mean(0)
