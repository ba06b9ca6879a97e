"""AudioSet: 10 s clips of YouTube videos, tagged with 527 sound events.

J. F. Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for
audio events", ICASSP 2017, https://research.google.com/audioset. A clip has
one or more labels. The lists are Google's (CC BY 4.0, the ontology CC BY-SA
4.0); the sound is YouTube's, is not part of the release and gets fewer by the
year, so everyone trains and tests on another part of it: say which.

Official layout::

    balanced_train_segments.csv    22,160 clips, 59 or more of each class
    unbalanced_train_segments.csv  2,041,789 other clips
    eval_segments.csv              20,371 other clips
    class_labels_indices.csv       index,mid,display_name of 527 classes

Three lines of comment, then ``YTID, start_seconds, end_seconds, "labels"``.
The clips are in any folders, as ``Y<YTID>.wav`` or ``<YTID>.flac``, with or without
the start and the end after it, ``<YTID>_30.000_40.000.wav``.

Authors
 * the speechbrain_petl developers, 2026
"""

import json
import os
from contextlib import suppress

import numpy as np
from matching import LEFT_OUT, clips_of_sets
from segments import SETS, read_classes, read_segments
from speechbrain_petl import InputError
from speechbrain_petl.data.clips import (
    NO_LABEL,
    refuse_other_clips,
    write_clips,
)
from speechbrain_petl.data.writing import write_json
from speechbrain_petl.errors import check_choice

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

TRAIN_SETS = {  # option: official lists
    "balanced": ["balanced"],
    "unbalanced": ["unbalanced"],
    "full": ["balanced", "unbalanced"],
    "none": [],  # to test alone
}
STAMP = "prepared.json"


def prepare_audioset(
    data_folder,
    save_folder,
    clips_folder=None,
    train_set="balanced",
    valid_clips=1000,
):
    """Write train.npy, valid.npy and test.npy, see speechbrain_petl.data.clips.

    Clips that are listed but missing or broken are counted, written to
    left_out.txt, and left out. Tables that were made from the same files and
    options are kept: looking at two million clips takes a while.

    Arguments
    ---------
    data_folder : str
        The folder of the four csv files.
    save_folder : str
        Where to write the tables.
    clips_folder : str, optional
        The folder of the clips, in subfolders or not; data_folder by default.
    train_set : str
        "balanced", "unbalanced", "full" (both), or "none", to test alone.
    valid_clips : int
        How many training clips to hold out for validation, as the release has
        none for it. 0: no validation.

    Returns
    -------
    dict
        split -> path of its table.
    """
    check_options(train_set, valid_clips)
    sets = [*TRAIN_SETS[train_set], "eval"]
    clips_folder = os.path.abspath(clips_folder or data_folder)
    options = {
        "clips_folder": clips_folder,
        "valid_clips": valid_clips,
        "csv": {s: _identity(data_folder, SETS[s][0]) for s in sets},
    }
    splits = ["test"]
    if TRAIN_SETS[train_set]:
        splits = ["train", *(["valid"] if valid_clips else []), "test"]
    tables = {s: os.path.join(save_folder, f"{s}.npy") for s in splits}
    if _is_prepared(save_folder, options):
        return tables

    classes = read_classes(data_folder)
    segments = {s: read_segments(data_folder, s, classes) for s in sets}
    _check_disjoint(segments)
    clips, left_out = clips_of_sets(segments, clips_folder, save_folder)
    parts = {"test": clips.pop("eval")}
    if clips:
        parts |= _splits(list(clips.values()), valid_clips)
    parts = {split: parts[split] for split in tables}
    refuse_other_clips(save_folder, parts)
    _write(parts, tables, left_out, save_folder)
    write_json(os.path.join(save_folder, STAMP), options)
    return tables


def check_options(train_set, valid_clips):
    """Refuse what is no choice.

    Arguments
    ---------
    train_set, valid_clips
        As for ``prepare_audioset``.
    """
    check_choice("train_set", train_set, TRAIN_SETS)
    if valid_clips < 0:
        raise InputError(f"valid_clips={valid_clips} must be 0 or more")


def _splits(train_sets, valid_clips):
    """The training lists joined, less what is drawn for validation."""
    most = max(labels.shape[1] for _, labels in train_sets)
    files = np.concatenate([files for files, _ in train_sets])
    labels = np.concatenate(
        [
            np.pad(
                x, ((0, 0), (0, most - x.shape[1])), constant_values=NO_LABEL
            )
            for _, x in train_sets
        ]
    )
    if valid_clips >= len(files):
        raise InputError(
            f"valid_clips={valid_clips} leaves none of the {len(files)} "
            "training clips: choose fewer, or 0 for no validation"
        )
    # the same ones whatever the seed of the run
    order = np.random.default_rng(0).permutation(len(files))
    valid, train = np.sort(order[:valid_clips]), np.sort(order[valid_clips:])
    parts = {"train": train, "valid": valid}
    return {split: (files[i], labels[i]) for split, i in parts.items()}


def _write(parts, tables, left_out, save_folder):
    """The tables, which are those of no stamp until all are there."""
    with suppress(FileNotFoundError):
        os.remove(os.path.join(save_folder, STAMP))
    with open(f"{save_folder}/{LEFT_OUT}", "w", encoding="utf-8") as file:
        file.writelines(left_out)
    for split, path in tables.items():
        write_clips(path, *parts[split])


def _check_disjoint(segments):
    names = list(segments)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            both = np.intersect1d(segments[first][0], segments[second][0])
            if len(both):
                raise InputError(
                    f"{both[0].decode()} is in {SETS[first][0]} and in "
                    f"{SETS[second][0]}: download them again"
                )


def _identity(folder, file):
    """Enough to notice that a file has changed."""
    path = os.path.join(folder, file)
    if not os.path.isfile(path):
        return None  # read_segments says so
    info = os.stat(path)
    return [os.path.abspath(path), info.st_size, info.st_mtime]


def _is_prepared(save_folder, options):
    path = os.path.join(save_folder, STAMP)
    same = False
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            same = json.load(file) == options
    if same:
        logger.warning(
            f"the clips are those of {save_folder}, from the same csv files "
            f"({LEFT_OUT}: what was missing). Delete {path} to look again."
        )
    return same
