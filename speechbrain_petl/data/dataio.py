"""From audio files to datasets: manifests, few shots, labels."""

import json
import operator
import os
import random
from functools import partial

import torch
from tqdm import tqdm

from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.utils.logger import get_logger

from ..errors import InputError, refuse_all
from .audio import SAMPLE_RATE, check_audio, read_audio
from .manifests import write_entries, write_labels

logger = get_logger(__name__)

SHORT = 0.05  # seconds that are not worth a word


def write_manifest(path, items):
    """Check every file of a split and write SpeechBrain's json manifest.

    Arguments
    ---------
    path : str
        The json file.
    items : dict
        id -> {"wav": path, ...}; each gets the file's "duration" (seconds).
    """
    durations = check_files(path, items)
    write_entries(
        path,
        {k: {**item, "duration": durations[k]} for k, item in items.items()},
    )


def check_files(path, items):
    """The duration of every file of a split; all that are broken at once.

    Arguments
    ---------
    path : str
        Of the manifest to be, whose name the progress bar shows.
    items : dict
        id -> {"wav": path, ...}

    Returns
    -------
    dict
        id -> seconds.
    """
    bar = tqdm(
        items.items(),
        desc=f"checking {os.path.basename(path)}",
        leave=False,
        disable=None,
    )
    durations, problems = {}, []
    for key, item in bar:
        try:
            durations[key] = check_audio(item["wav"])
        except InputError as error:
            problems.append(str(error))
    refuse_all(os.path.basename(path), problems)
    return durations


def few_shots(entries, shots, seed):
    """Draw so many clips of each class.

    Windows of one recording, which name it as their "file", are one clip.

    Arguments
    ---------
    entries : dict
        id -> manifest entry with a "label", or "labels" if it has several.
    shots : int
        Clips per class; all of a class that has fewer.
    seed : int
        Another seed draws other clips; more shots keep the fewer.

    Returns
    -------
    dict
        The drawn entries, sorted by id.

    Example
    -------
    >>> entries = {f"clip{i}": {"label": "ab"[i % 2]} for i in range(10)}
    >>> list(few_shots(entries, shots=2, seed=1))
    ['clip0', 'clip5', 'clip6', 'clip9']
    """
    if not isinstance(shots, int) or shots < 1:
        raise InputError(f"shots={shots}: give a whole number, 1 or more")
    of_label = {}
    for key in sorted(entries):
        entry = entries[key]
        for label in _names(entry):
            # a dict without values: each clip once, in order
            of_label.setdefault(label, {})[entry.get("file", key)] = None
    drawn = set()
    for label, keys in of_label.items():
        keys = list(keys)
        random.Random(f"{seed} {label}").shuffle(keys)
        drawn.update(keys[:shots])
    fewer = [f"{x} ({len(k)})" for x, k in of_label.items() if len(k) < shots]
    if fewer:
        logger.warning(
            f"shots={shots}: {len(fewer)} of {len(of_label)} classes have fewer "
            f"training clips, and all are taken: {', '.join(fewer[:10])}"
        )
    return {
        key: entries[key]
        for key in sorted(entries)
        if entries[key].get("file", key) in drawn
    }


def read_manifests(manifests, labels_file, shots=None, seed=0):
    """The splits of a data set, and the sorted label set of all of them.

    Arguments
    ---------
    manifests : dict
        split -> path of a manifest whose entries have a "label" or "labels".
    labels_file : str
        Where to store the label set, for inference.
    shots : int, optional
        Train on so many clips of each class only; the label set is whole.
    seed : int
        Of the choice of these clips.

    Returns
    -------
    datasets : dict
        split -> speechbrain.dataio.dataset.DynamicItemDataset
    labels : speechbrain.dataio.encoder.CategoricalEncoder
        The label set.
    """
    entries = {}
    for split, path in manifests.items():
        with open(path, encoding="utf-8") as file:
            entries[split] = json.load(file)
    clips = [entry for split in entries.values() for entry in split.values()]
    labels = CategoricalEncoder()
    labels.update_from_iterable(sorted({n for c in clips for n in _names(c)}))
    labels.expect_len(len(labels))
    write_labels(labels_file, labels)
    if shots is not None:
        entries["train"] = few_shots(entries["train"], shots, seed)
    return {k: DynamicItemDataset(v) for k, v in entries.items()}, labels


def classification_datasets(
    manifests, samples, labels_file, shots=None, seed=0
):
    """Datasets of labelled clips.

    Items are ``id``, ``sig`` (sample,), ``target`` (an int) and ``soft_targets``
    (class,), the one-hot target that augmentation may mix. The label set is
    that of all manifests, in sorted order, so that it does not depend on the
    fold.

    Arguments
    ---------
    manifests : dict
        split -> path of a manifest whose entries have "wav" and "label".
    samples : int
        Read at most that many samples of a clip.
    labels_file, shots, seed
        As for ``read_manifests``.

    Returns
    -------
    tuple
        As ``read_manifests`` does.
    """
    datasets, labels = read_manifests(manifests, labels_file, shots, seed)
    for split, data in datasets.items():
        _log_cut(split, data.data, samples)
        for clip in data.data.values():  # what is read, for dynamic batches
            clip["duration"] = min(clip["duration"], samples / SAMPLE_RATE)
        read = partial(read_audio, samples=samples)
        data.add_dynamic_item(read, takes="wav", provides="sig")
        data.add_dynamic_item(
            labels.encode_label, takes="label", provides="target"
        )
        one_hot = torch.eye(len(labels))  # a row for each class
        soft_targets = partial(operator.getitem, one_hot)
        data.add_dynamic_item(
            soft_targets, takes="target", provides="soft_targets"
        )
        data.set_output_keys(["id", "sig", "target", "soft_targets"])
    return datasets, labels


def _log_cut(split, clips, samples):
    """Say how much of the sound lies behind what is read of a clip."""
    most = samples / SAMPLE_RATE
    durations = [clip["duration"] for clip in clips.values()]
    # a clip of as many frames as are read may be a few samples longer
    cut = sum(seconds > most + SHORT for seconds in durations)
    if cut:
        used = sum(min(s, most) for s in durations) / sum(durations)
        logger.warning(
            f"{split}: {cut} of {len(durations)} clips are longer than the "
            f"{most:.2f} s that are read of each, {used:.0%} of the sound is "
            "used. More frames of the fbank read more."
        )


def _names(entry):
    """The labels of a clip that has one or several."""
    return entry.get("labels") or [entry["label"]]
