"""Brazilian accents: recordings of Portuguese from regions of Brazil.

Which recordings is up to you: there is no official release, the csv file is
the data set. Five regions are usual: Bahia (ba), Recife (re), São Paulo (sp),
Minas Gerais (mg) and Rio de Janeiro (rj). Public recordings with an accent
given are in CORAA, https://arxiv.org/abs/2110.15731 (CC BY-NC-ND 4.0).

Layout of data_folder::

    metadata.csv   id,path,label[,speaker][,split]
    ...            the recordings, at ``path`` relative to data_folder

or, as in older repositories, a csv file for each split, whose first columns are
path and label, or id, path and label, of any name.

``speaker``: nobody is in two splits. ``split``: train, valid or test; without
it the speakers of each label are dealt out by a seed. Recordings may be hours
long: they are cut into windows.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
from pathlib import Path

from speechbrain_petl import InputError
from speechbrain_petl.data.cells import read_cells
from speechbrain_petl.data.clip_rows import clip_of
from speechbrain_petl.data.dealing import check_splits
from speechbrain_petl.data.layouts import refuse_twice, table_clips
from speechbrain_petl.data.splits import deal
from speechbrain_petl.data.tables import find_table
from speechbrain_petl.data.windows import write_windows
from speechbrain_petl.errors import refuse_all

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

SPLITS = ("train", "valid", "test")


def prepare_brazilian_accents(
    data_folder,
    save_folder,
    window,
    overlap=0.0,
    metadata="metadata.csv",
    labels=None,
    split_seed=1,
    valid_ratio=0.1,
    test_ratio=0.1,
    tables=None,
):
    """Write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str
        The folder that holds the csv file.
    save_folder : str
        Where to write the manifests.
    window : float
        Seconds; longer recordings are cut.
    overlap : float
        Ratio of a window that the next one repeats.
    metadata : str
        The csv file, relative to data_folder.
    labels : list of str, optional
        The labels that may occur; by default whatever occurs.
    split_seed : int
        Deals out the speakers if the csv has no column "split".
    valid_ratio : float
        Ratio of each label's recordings to validate on, roughly: nobody is
        divided.
    test_ratio : float
        Ratio to test on.
    tables : dict, optional
        split -> csv file of path and label, after an id or not, in the place
        of metadata; null for a split that there is not.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    if labels is not None and not (isinstance(labels, list) and labels):
        raise InputError(
            f"labels={labels} is no list of labels: write [ba, re]"
        )
    given = {k: v for k, v in (tables or {}).items() if v is not None}
    if given:
        path = Path(data_folder)
        clips = [c for k, v in given.items() for c in _older(path, k, v)]
    else:
        path = find_table(data_folder, metadata, "id,path,label of the clips")
        root = Path(path).parent
        clips = table_clips(Path(path), root, more=["id"], beside=root)
    refuse_twice(clips, path)
    _check(clips, labels, path)
    ratios = {"test": test_ratio, "valid": valid_ratio}
    splits = _divide(clips, ratios, split_seed, path)
    return {
        split: _write(split, chosen, save_folder, window, overlap)
        for split, chosen in splits.items()
        if chosen
    }


def _older(folder, split, name):
    """The clips of a csv whose columns are told by their place alone.

    That of the path is the first, or the second after an id: whichever has
    more files. The label follows it.
    """
    path = Path(find_table(folder, name, "path,label of the clips"))
    lines = read_cells(path)
    last = lines[-1][1] if lines else []
    order = (0, 1) if last and Path(last[0]).suffix else (1, 0)
    tried = [_columns(lines, at, folder.absolute(), path) for at in order]
    clips, problems = max(tried, key=lambda result: len(result[0]))
    refuse_all(str(path), problems)
    return [{**clip, "split": split} for clip in clips]


def _columns(lines, at, root, path):
    """Clips and problems, if the path is in this column."""
    clips, problems = [], []
    for number, (line, cells) in enumerate(lines):
        name = "".join(cells[at : at + 1])
        if number == 0 and not Path(name).suffix:
            continue  # the names of the columns
        row = {"path": name, "labels": cells[at + 1 : at + 2]}
        try:
            clip = clip_of(row, [root, path.parent], root)
        except InputError as error:
            problems.append(f"line {line}: {error}")
        else:
            clips.append({**clip, "where": f"{path.name}, line {line}"})
    return clips, problems


def _check(clips, labels, path):
    """Known labels, and one for each speaker."""
    if not any(clip["group"] for clip in clips):
        logger.warning(
            f"{path} has no column speaker: every recording is taken for a "
            "speaker of its own, so a voice may be in training and test"
        )
    problems, first = [], {}
    for clip in clips:
        (label,) = clip["labels"] or [""]
        clip["group"] = clip["group"] or clip["id"]
        other = first.setdefault(clip["group"], clip)
        if label not in (labels or [label]) or not label:
            problems.append(
                f"{clip['where']}: label={label} is not one of "
                f"{', '.join(labels or ['the accents'])}"
            )
        if other["labels"] != clip["labels"]:
            problems.append(
                f"{clip['where']}: speaker {clip['group']} has label {label}, "
                f"but {other['labels'][0]} in {other['where']}"
            )
    refuse_all(path, problems)


def _divide(clips, ratios, seed, path):
    """split -> clips, as the column split says, or the speakers dealt out."""
    if any(clip["split"] for clip in clips):
        splits = {s: [c for c in clips if c["split"] == s] for s in SPLITS}
    else:
        splits = _deal(clips, ratios, seed, path)
    for split in ("train", "test"):
        if not splits[split]:
            raise InputError(f"{path}: no row has split={split}")
    check_splits(splits)
    return splits


def _deal(clips, ratios, seed, path):
    """Deal the speakers of each label out, by a seed."""
    if min(ratios.values()) <= 0 or sum(ratios.values()) >= 1:
        raise InputError(
            f"valid_ratio={ratios['valid']} and test_ratio={ratios['test']} "
            "must be above 0 and leave something to train on"
        )
    speakers = {}
    for clip in clips:
        speakers.setdefault(clip["labels"][0], set()).add(clip["group"])
    few = [
        f"label {label} has {len(who)} speakers ({', '.join(sorted(who))})"
        for label, who in sorted(speakers.items())
        if len(who) < len(SPLITS)
    ]
    remedy = (
        f"{len(SPLITS)} splits need one each: add speakers, or a column split"
    )
    refuse_all(path, few, remedy)
    ratios = {"train": 1 - sum(ratios.values()), **ratios}
    part_of = deal({clip["id"]: clip for clip in clips}, ratios, seed)
    return {s: [c for c in clips if part_of[c["id"]] == s] for s in SPLITS}


def _write(split, clips, save_folder, window, overlap):
    """Write the manifest of a split; returns its path."""
    manifest = os.path.join(save_folder, f"{split}.json")
    items = {
        clip["id"]: {
            "wav": clip["wav"],
            "labels": clip["labels"],
            "speaker": clip["group"],
        }
        for clip in sorted(clips, key=lambda clip: clip["id"])
    }
    write_windows(manifest, items, window, overlap)
    speakers = {clip["group"] for clip in clips}
    logger.info(f"{split}: {len(clips)} recordings of {len(speakers)} speakers")
    return manifest
