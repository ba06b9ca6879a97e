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

from speechbrain_petl import InputError
from speechbrain_petl.data.dataio import write_manifest
from speechbrain_petl.data.tables import listed_file, read_table, wrong_folder

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
    if protocol not in PROTOCOLS:
        raise InputError(
            f"protocol={protocol!r} is not one of {', '.join(PROTOCOLS)}"
        )
    clips = _read_meta(_find(data_folder))
    manifests, splits = {}, _splits(fold, protocol)
    for split, folds in splits.items():
        items = {key: c for key, c in clips.items() if c["fold"] in folds}
        manifests[split] = os.path.join(save_folder, f"{split}.json")
        write_manifest(manifests[split], items)
    _report_shared(clips, splits)
    return manifests


def _splits(fold, protocol):
    others = [f for f in FOLDS if f != fold]
    if protocol == "9-1":
        return {"train": others, "test": [fold]}
    valid = fold % len(FOLDS) + 1
    others.remove(valid)
    return {"train": others, "valid": [valid], "test": [fold]}


def _find(data_folder):
    """The folder that holds metadata/UrbanSound8K.csv."""
    for place in (data_folder, os.path.join(data_folder, ROOT)):
        if os.path.isfile(os.path.join(place, META)):
            return os.path.abspath(place)
    remedy = f"Give the folder {ROOT} of the official archive, see README.md."
    raise wrong_folder(data_folder, META, remedy)


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


def _report_shared(clips, splits):
    """Tell how many recordings the official folds put into two splits."""
    of_fold = {fold: split for split, folds in splits.items() for fold in folds}
    seen = {}
    for clip in clips.values():
        seen.setdefault(clip["recording"], set()).add(of_fold[clip["fold"]])
    shared = sum(len(found) > 1 for found in seen.values())
    if shared:
        logger.warning(
            f"{shared} of {len(seen)} recordings have clips in two splits, "
            "as the folds have them"
        )
