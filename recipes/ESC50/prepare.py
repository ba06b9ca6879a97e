"""ESC-50: 2000 environmental recordings of 5 s in 50 classes and 5 folds.

K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM
Multimedia 2015, https://github.com/karolpiczak/ESC-50. 44.1 kHz, mono, 16 bit,
40 clips a class, 8 of them in each fold; clips of one recording share a fold.
Licence: CC BY-NC 3.0; the ten classes of the ESC-10 subset (400 clips): CC BY.

Official layout::

    ESC-50-master/audio/1-100032-A-0.wav
    ESC-50-master/meta/esc50.csv  filename,fold,target,category,esc10,...

Authors
 * the speechbrain_petl developers, 2026
"""

import os
from functools import partial

from speechbrain_petl import InputError
from speechbrain_petl.data.archives import fetch_archive
from speechbrain_petl.data.releases import (
    find_release,
    split_folds,
    write_manifests,
)
from speechbrain_petl.data.tables import listed_file, read_table
from speechbrain_petl.errors import check_choice

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

URL = "https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip"
ROOT = "ESC-50-master"
META = os.path.join("meta", "esc50.csv")
COLUMNS = ["filename", "fold", "category", "esc10"]
FOLDS = (1, 2, 3, 4, 5)
PROTOCOLS = ("3-1-1", "4-1")  # folds to train, (validate and) test on
CLIPS, CLASSES = {False: 2000, True: 400}, {False: 50, True: 10}


def prepare_esc50(
    data_folder,
    save_folder,
    fold=1,
    protocol="3-1-1",
    esc10=False,
    download=False,
    url=URL,
):
    """Write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str
        The folder ESC-50-master, or the one that holds it.
    save_folder : str
        Where to write the manifests.
    fold : int
        The fold to test on, 1 to 5.
    protocol : str
        "3-1-1": validate on the next fold, train on the other three.
        "4-1": train on the other four, no validation.
    esc10 : bool
        Only the ten classes of ESC-10.
    download : bool
        Fetch the official archive (600 MB) if the folder is missing.
    url : str
        Where it is fetched from.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    if fold not in FOLDS:
        raise InputError(
            f"fold={fold} does not exist: ESC-50 has folds 1 to {len(FOLDS)}"
        )
    check_choice("protocol", protocol, PROTOCOLS)
    root = find_release(
        data_folder,
        ROOT,
        [META],
        f"Give the folder {ROOT} of the official archive, or add "
        "--download=True to fetch it there.",
        partial(fetch_archive, url) if download else None,
    )
    clips = _read_meta(root, esc10)
    splits = split_folds(clips, fold, FOLDS, validate=protocol == "3-1-1")
    return write_manifests(save_folder, splits)


def _read_meta(root, esc10):
    """id -> manifest entry of the clips that are used, sorted by id."""
    path, clips = os.path.join(root, META), {}
    for line, row in read_table(path, COLUMNS):
        place = f"{path}, line {line}"
        key, clip = _read_row(root, row, place)
        if key in clips:
            raise InputError(f"{place}: {key}.wav is listed twice")
        if row["esc10"] == "True" or not esc10:
            clips[key] = clip
    _check_counts(clips, path, esc10)
    return dict(sorted(clips.items()))


def _read_row(root, row, place):
    """The id and the manifest entry of a row of the csv."""
    name, fold = row["filename"], row["fold"]
    if fold not in map(str, FOLDS) or row["esc10"] not in ("True", "False"):
        raise InputError(
            f"{place}: filename={name} has fold={fold} and esc10="
            f"{row['esc10']}, not 1 to {len(FOLDS)} and True or False. Take "
            "the official csv."
        )
    return os.path.splitext(name)[0], {
        "wav": listed_file(place, os.path.join(root, "audio"), name),
        "label": row["category"],
        "fold": int(fold),
    }


def _check_counts(clips, path, esc10):
    classes = {clip["label"] for clip in clips.values()}
    if len(classes) != CLASSES[esc10]:
        raise InputError(
            f"{path} has {len(classes)} of {CLASSES[esc10]} classes."
            + (" Add --esc10=True." if len(classes) == CLASSES[True] else "")
        )
    for fold in FOLDS:
        found = {c["label"] for c in clips.values() if c["fold"] == fold}
        if found != classes:
            raise InputError(
                f"{path}: fold {fold} has no clip of "
                f"{', '.join(sorted(classes - found))}. Take the official csv."
            )
    if len(clips) != CLIPS[esc10]:
        logger.warning(
            f"{path} lists {len(clips)} clips, ESC-{CLASSES[esc10]} has "
            f"{CLIPS[esc10]}: results are not comparable with published ones"
        )
