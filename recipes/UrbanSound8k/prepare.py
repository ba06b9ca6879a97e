"""UrbanSound8K: 8732 excerpts of up to 4 s, 10 classes of urban sounds, 10 folds.

J. Salamon, C. Jacoby and J. P. Bello, "A Dataset and Taxonomy for Urban Sound
Research", ACM Multimedia 2014, https://urbansounddataset.weebly.com. Cut from
recordings of freesound.org and left as they were uploaded: mono and stereo,
8 to 192 kHz, 8 to 32 bit. Licence: CC BY-NC 4.0 and each recording's own.
Download: UrbanSound8K.tar.gz (6 GB) of https://zenodo.org/records/1203745, md5
9aa69802bbf37fb986f71ec1483a196e.

Official layout::

    UrbanSound8K/audio/fold5/100032-3-0-0.wav  recording-class-occurrence-slice
    UrbanSound8K/metadata/UrbanSound8K.csv

The columns are slice_file_name, fsID (the recording), start, end, salience,
fold, classID and class. The folds are the official ones and never shuffled:
excerpts of one recording share a fold, but for 5 of the 1297 recordings, which
the official csv has in two.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
from collections import Counter

from speechbrain_petl import InputError
from speechbrain_petl.data.releases import (
    find_release,
    split_folds,
    write_manifests,
)
from speechbrain_petl.data.tables import listed_file, read_table
from speechbrain_petl.errors import check_choice

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

ROOT = "UrbanSound8K"
META = os.path.join("metadata", "UrbanSound8K.csv")
COLUMNS = "slice_file_name fsID start end salience fold classID class".split()
CLASSES = (  # in the order of classID
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)
FOLDS = range(1, 11)
CLIPS = (873, 888, 925, 990, 936, 823, 838, 806, 816, 837)  # of each fold
PROTOCOLS = ("8-1-1", "9-1")  # folds to train, (validate and) test on


def prepare_urbansound8k(data_folder, save_folder, fold=1, protocol="8-1-1"):
    """Write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str
        The folder UrbanSound8K, or the one that holds it.
    save_folder : str
        Where to write the manifests.
    fold : int
        The fold to test on, 1 to 10.
    protocol : str
        "8-1-1": validate on the next fold, train on the other eight.
        "9-1": train on the other nine, no validation.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    if fold not in FOLDS:
        raise InputError(
            f"fold={fold} does not exist: UrbanSound8K has folds 1 to "
            f"{len(FOLDS)}"
        )
    check_choice("protocol", protocol, PROTOCOLS)
    remedy = f"Give the folder {ROOT} of the official archive, see README.md."
    clips = _read_meta(find_release(data_folder, ROOT, [META], remedy))
    splits = split_folds(clips, fold, FOLDS, validate=protocol == "8-1-1")
    manifests = write_manifests(save_folder, splits)
    _report_shared(splits)
    return manifests


def _read_meta(root):
    """id -> manifest entry, sorted by id."""
    path, clips = os.path.join(root, META), {}
    for line, row in read_table(path, COLUMNS):
        place = f"{path}, line {line}"
        key, clip = _read_row(root, row, place)
        if key in clips:
            raise InputError(f"{place}: {key}.wav is listed twice")
        clips[key] = clip
    _check_counts(clips, path)
    return dict(sorted(clips.items()))


def _read_row(root, row, place):
    """The id and the manifest entry of a row of the csv."""
    name, fold, label = row["slice_file_name"], row["fold"], row["class"]
    if fold not in map(str, FOLDS):
        raise InputError(
            f"{place}: slice_file_name={name} has fold={fold}, which is none "
            f"of 1 to {len(FOLDS)}. Take the official csv."
        )
    named = dict(zip(CLASSES, map(str, range(len(CLASSES)))))
    if named.get(label) != row["classID"]:
        raise InputError(
            f"{place}: class={label!r} with classID={row['classID']!r} is "
            f"none of: {', '.join(f'{i} {c}' for c, i in named.items())}"
        )
    folder = os.path.join(root, "audio", f"fold{fold}")
    return os.path.splitext(name)[0], {
        "wav": listed_file(place, folder, name),
        "label": label,
        "fold": int(fold),
        "recording": row["fsID"],
    }


def _check_counts(clips, path):
    found = [sum(c["fold"] == f for c in clips.values()) for f in FOLDS]
    for fold, count in zip(FOLDS, found):
        labels = {c["label"] for c in clips.values() if c["fold"] == fold}
        if len(labels) != len(CLASSES):
            lacks = ", ".join(c for c in CLASSES if c not in labels)
            raise InputError(
                f"{path}: fold {fold} has no clip of {lacks}. Take the "
                "official csv."
            )
    if tuple(found) != CLIPS:
        logger.warning(
            f"{path} lists {', '.join(map(str, found))} clips in its folds, "
            f"the official one {', '.join(map(str, CLIPS))}: results are not "
            "comparable with published ones"
        )


def _report_shared(splits):
    """Tell how many recordings the official folds put into two splits."""
    seen = [
        {c["recording"] for c in items.values()} for items in splits.values()
    ]
    found = Counter(recording for split in seen for recording in split)
    shared = sum(count > 1 for count in found.values())
    if shared:
        logger.warning(
            f"{shared} of {len(found)} recordings have clips in two splits, "
            "as the folds have them"
        )
