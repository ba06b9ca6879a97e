"""Own data, however it is laid out, to the manifests of three splits."""

import os
from collections import Counter
from pathlib import Path

from speechbrain.utils.logger import get_logger

from ..errors import InputError
from .dealing import split_clips
from .layouts import read_clips
from .windows import write_windows

logger = get_logger(__name__)


def prepare_labelled(
    data_folder,
    save_folder,
    window,
    overlap=0.0,
    max_windows=None,
    table=None,
    tagging=False,
    folds=5,
    fold=1,
    split_seed=1,
):
    """Write train.json, valid.json and test.json.

    What the data say of splits is kept. A test or validation set that is
    missing is dealt from the training clips: stratified, and nobody (see the
    column group) nor any copy of a file is in two.

    Arguments
    ---------
    data_folder : str
        As for ``layouts.read_clips``; nothing is written there.
    save_folder : str
        Where to write the manifests.
    window : float
        Seconds; longer clips are cut.
    overlap : float
        Ratio of a window that the next one repeats.
    max_windows : int, optional
        Of one training clip.
    table : str, optional
        As for ``layouts.read_clips``.
    tagging : bool
        Whether clips may have several labels.
    folds : int
        So many parts are dealt: one is the test, the next one validates.
    fold : int
        The part to test on, from 1.
    split_seed : int
        Another seed deals otherwise.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    clips = read_clips(data_folder, table, tagging)
    _check_labels(clips, tagging, data_folder)
    splits = split_clips(clips, folds, fold, split_seed, tagging)
    manifests, problems = {}, []
    for split, chosen in splits.items():
        manifests[split] = os.path.join(save_folder, f"{split}.json")
        most = max_windows if split == "train" else None
        items = {clip["id"]: _entry(clip) for clip in chosen}
        try:
            write_windows(manifests[split], items, window, overlap, most)
        except InputError as error:
            problems.append(str(error).rstrip("."))
        sizes = Counter(x for clip in chosen for x in clip["labels"])
        logger.info(
            f"{split}: {len(items)} clips of {len(sizes)} classes, "
            f"{min(sizes.values())} to {max(sizes.values())} of each"
        )
    if problems:
        raise InputError("; ".join(problems))
    return manifests


def _entry(clip):
    kept = ("wav", "labels", "group", "start", "stop")
    return {key: clip[key] for key in kept if clip[key] is not None}


def _check_labels(clips, tagging, where):
    several = [c["where"] for c in clips if len(c["labels"]) > 1]
    if several and not tagging:
        raise InputError(
            f"{where}: {len(several)} clips have several labels, such as "
            f"{several[0]}. Add --tagging=True"
        )
    labels = {label for clip in clips for label in clip["labels"]}
    if len(labels) < 2:
        inner = Path(where, *labels)
        folders = inner.is_dir() and any(p.is_dir() for p in inner.iterdir())
        remedy = f". Does {inner} hold the folders of classes? Give that"
        raise InputError(
            f"{where} has the label {', '.join(labels)} only: there is "
            f"nothing to tell apart{remedy if folders else ''}"
        )
