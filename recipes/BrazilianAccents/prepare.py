"""Brazilian accents: recordings of Portuguese from regions of Brazil.

Which recordings is up to you: there is no official release, the csv file is
the data set. Five regions are usual: Bahia (ba), Recife (re), São Paulo (sp),
Minas Gerais (mg) and Rio de Janeiro (rj). Public recordings with an accent
given are in CORAA, https://arxiv.org/abs/2110.15731 (CC BY-NC-ND 4.0).

Layout of data_folder::

    metadata.csv   id,path,label[,speaker][,split]
    ...            the recordings, at ``path`` relative to data_folder

``speaker``: nobody is in two splits. ``split``: train, valid or test; without
it the speakers of each label are dealt out by a seed. Recordings may be hours
long: they are cut into windows.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
import random

from speechbrain_petl import InputError
from speechbrain_petl.data.splits import check_disjoint
from speechbrain_petl.data.tables import find_table, listed_file, read_table
from speechbrain_petl.data.windows import write_windows

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
        Share of a window that the next one repeats.
    metadata : str
        The csv file, relative to data_folder.
    labels : list of str, optional
        The labels that may occur; by default whatever occurs.
    split_seed : int
        Deals out the speakers if the csv has no column "split".
    valid_ratio : float
        Share of each label's recordings to validate on, roughly: nobody is
        divided.
    test_ratio : float
        Share to test on.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    if isinstance(labels, str):
        raise InputError(f"labels={labels} is no list: write [{labels}]")
    path = find_table(data_folder, metadata, "id,path,label of the clips")
    rows = _read(path)
    _check_rows(rows, labels, path)
    ratios = {"test": test_ratio, "valid": valid_ratio}
    splits = _given(rows) or _deal(rows, ratios, split_seed, path)
    _check_splits(splits, path)
    return {
        split: _write(split, chosen, save_folder, window, overlap)
        for split, chosen in splits.items()
    }


def _write(split, rows, save_folder, window, overlap):
    """Write the manifest of a split; returns its path."""
    manifest = os.path.join(save_folder, f"{split}.json")
    write_windows(manifest, _items(rows), window, overlap)
    speakers = {row["speaker"] for _, row in rows}
    logger.info(f"{split}: {len(rows)} recordings of {len(speakers)} speakers")
    return manifest


def _items(rows):
    """File id -> what its windows have in common, sorted by id."""
    return {
        row["id"]: {
            "wav": row["path"],
            "labels": [row["label"]],
            "speaker": row["speaker"],
        }
        for _, row in sorted(rows, key=lambda r: r[1]["id"])
    }


def _read(path):
    """(line, row) of the csv, with a speaker and an existing file each."""
    rows = read_table(path, ["id", "path", "label"], ["speaker", "split"])
    if "speaker" not in rows[0][1]:
        logger.warning(
            f"{path} has no column speaker: every recording is taken for a "
            "speaker of its own, so a voice may be in training and test"
        )
    for line, row in rows:
        name = os.path.normpath(row["path"])
        row["path"] = listed_file(
            f"{path}, line {line}", os.path.dirname(path), name
        )
        row.setdefault("speaker", row["id"])
    return rows


def _check_rows(rows, labels, path):
    """Each by itself, and against those before it."""
    seen = {}  # (column, value) -> its first line and label
    for line, row in rows:
        problem = _problem(row, labels)
        for column in ("id", "path", "speaker"):
            here = line, row["label"]
            first = seen.setdefault((column, row[column]), here)
            if column == "speaker" and first[1] != row["label"]:
                problem = (
                    f"speaker {row['speaker']} has label {row['label']}, but "
                    f"{first[1]} in line {first[0]}; give every speaker a "
                    "name of its own"
                )
            elif column != "speaker" and first != here:
                problem = (
                    f"{column}={row[column]} is that of line {first[0]} too"
                )
        if problem:
            raise InputError(f"{path}, line {line}: {problem}")


def _problem(row, labels):
    if labels and row["label"] not in labels:
        return f"label={row['label']} is not one of {', '.join(labels)}"
    if row.get("split", "train") not in SPLITS:
        return f"split={row['split']} is not one of {', '.join(SPLITS)}"
    return None


def _given(rows):
    """split -> rows, as the column split says; empty without one."""
    splits = {s: [r for r in rows if r[1].get("split") == s] for s in SPLITS}
    return {split: chosen for split, chosen in splits.items() if chosen}


def _deal(rows, ratios, seed, path):
    """Deal the speakers of each label out, by a seed."""
    if min(ratios.values()) <= 0 or sum(ratios.values()) >= 1:
        raise InputError(
            f"valid_ratio={ratios['valid']} and test_ratio={ratios['test']} "
            "must be above 0 and leave something to train on"
        )
    ratios = {**ratios, "train": 1 - sum(ratios.values())}
    splits = {split: [] for split in SPLITS}
    for label in sorted({row["label"] for _, row in rows}):
        clips = {}
        for line, row in rows:
            if row["label"] == label:
                clips.setdefault(row["speaker"], []).append((line, row))
        if len(clips) < len(SPLITS):
            raise InputError(
                f"{path}: label {label} has {len(clips)} speakers "
                f"({', '.join(sorted(clips))}), but {len(SPLITS)} splits need "
                "one each. Add speakers, or a column split of your own."
            )
        for split, speaker in _dealt(clips, ratios, f"{seed} {label}"):
            splits[split] += clips[speaker]
    return splits


def _dealt(clips, ratios, seed):
    """(split, speaker) of each speaker of one label.

    Each split gets a speaker, training the biggest of the first three; who
    comes next goes where the most recordings are missing.
    """
    speakers = sorted(clips)
    random.Random(seed).shuffle(speakers)
    total = sum(map(len, clips.values()))
    missing = {split: share * total for split, share in ratios.items()}
    first = sorted(speakers[: len(SPLITS)], key=lambda s: len(clips[s]))
    dealt = list(zip(("test", "valid", "train"), first))
    for split, speaker in dealt:
        missing[split] -= len(clips[speaker])
    for speaker in speakers[len(SPLITS) :]:
        split = max(SPLITS, key=missing.get)
        missing[split] -= len(clips[speaker])
        dealt.append((split, speaker))
    return dealt


def _check_splits(splits, path):
    """Nobody in two; every label trained, and something to test."""
    lines = {
        split: {f"line {line}": row for line, row in rows}
        for split, rows in splits.items()
    }
    for column in ("path", "speaker"):
        check_disjoint(lines, column, f"Keep it in one split of {path}.")
    for split in ("train", "test"):
        if split not in splits:
            raise InputError(f"{path}: no row has split={split}")
    trained = {row["label"] for _, row in splits["train"]}
    for split, rows in splits.items():
        for line, row in rows:
            if row["label"] not in trained:
                raise InputError(
                    f"{path}, line {line}: label={row['label']} is in {split} "
                    "but no training recording has it"
                )
