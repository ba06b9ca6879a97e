#!/usr/bin/env python3
"""Pack AudioSet's clips into tar shards in the webdataset format.

> python pack.py /path/to/audioset /path/to/shards --sets balanced eval

A million small files are slow to read and to copy; a thousand shards are not.
A clip becomes 16 kHz mono FLAC (or stays the file that it was, with --copy).
The clips of a list are shuffled once, then cut into shards, so that each shard
is a fair sample. Shards that are there are kept: run it again to go on.

Authors
 * the speechbrain_petl developers, 2026
"""

import io
import os
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import soundfile
from matching import existing
from prepare import TRAIN_SETS, check_options
from segments import CLASSES_CSV, SETS, find_clips, read_classes, read_segments
from speechbrain_petl import InputError
from speechbrain_petl.data.audio import SAMPLE_RATE, read_audio
from speechbrain_petl.data.clips import NO_LABEL
from speechbrain_petl.data.shards import (
    INDEX,
    read_index,
    write_index,
    write_shard,
)
from speechbrain_petl.data.writing import make_folder
from speechbrain_petl.errors import ArgumentParser
from speechbrain_petl.recipe.main import run_main
from tqdm import tqdm

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)


def pack(data_folder, output_folder, sets, clips_folder=None, **how):
    """Pack lists of clips.

    Arguments
    ---------
    data_folder : str
        The folder of the four csv files.
    output_folder : str
        Gets class_labels_indices.csv and a folder of shards for each list.
    sets : list of str
        Of "balanced", "unbalanced" and "eval".
    clips_folder : str, optional
        The folder of the clips; data_folder by default.
    **how : dict
        Arguments of ``pack_set``: clips, copy and jobs.
    """
    found = find_clips(clips_folder or data_folder)
    make_folder(output_folder)
    classes = read_classes(data_folder)
    for name in sets:
        ids, labels = read_segments(data_folder, name, classes)
        files, labels, left_out = existing(ids, labels, found)
        if not len(files):
            raise InputError(
                f"{clips_folder or data_folder} has none of the clips of "
                f"{SETS[name][0]}"
            )
        folder = str(make_folder(os.path.join(output_folder, name)))
        with open(os.path.join(folder, "left_out.txt"), "w") as file:
            file.writelines(f"{line}\n" for line in left_out)
        logger.info(f"{name}: {len(files)} of {len(ids)} clips are there")
        pack_set(folder, files, labels, list(classes), **how)
    shutil.copy(os.path.join(data_folder, CLASSES_CSV), output_folder)


def pack_set(folder, files, labels, classes, clips=1000, copy=False, jobs=1):
    """Pack the clips of one list, and write the index of the shards.

    Arguments
    ---------
    folder : str
        Where the shards go.
    files : numpy.ndarray
        Paths as bytes (clip,).
    labels : numpy.ndarray
        Indices of classes (clip, most labels of a clip).
    classes : list of str
        All labels.
    clips : int
        Of a shard.
    copy : bool
        Keep the files as they are.
    jobs : int
        How many processes work.
    """
    order = np.random.default_rng(0).permutation(len(files))
    parts = np.split(order, range(clips, len(order), clips))
    tasks = [
        (os.path.join(folder, f"{i:06d}.tar"), files[part], labels[part])
        for i, part in enumerate(parts)
    ]
    tasks = [task for task in tasks if not os.path.exists(task[0])]
    write = partial(_pack_shard, classes=classes, copy=copy)
    bar = partial(tqdm, total=len(tasks), desc=folder, disable=None)
    jobs = min(jobs, len(tasks), 4 * (os.cpu_count() or 1))
    if jobs <= 1:
        list(bar(map(write, tasks)))
    else:
        with ProcessPoolExecutor(jobs) as pool:
            list(bar(pool.map(write, tasks)))
    index = write_index(folder)
    if sum(index["shards"].values()) != len(files):
        raise InputError(
            f"{folder} has shards of other clips or another --clips: delete it"
        )


def is_packed(folder):
    """Whether a folder is what ``pack`` has made.

    Arguments
    ---------
    folder : str
        A data_folder.

    Returns
    -------
    bool
        False for a folder of csv files and clips.
    """
    return any(os.path.exists(os.path.join(folder, s, INDEX)) for s in SETS)


def split_shards(folder, train_set, valid_clips):
    """The shards of each split, and the labels' counts in training.

    Arguments
    ---------
    folder : str
        What ``pack`` has made.
    train_set : str
        "balanced", "unbalanced", "full" (both) or "none".
    valid_clips : int
        Hold out so many training clips, in whole shards. 0: no validation.

    Returns
    -------
    splits : dict
        split -> path of a shard -> number of clips.
    counts : dict
        Label -> number of clips in the training lists.
    """
    check_options(train_set, valid_clips)
    train, counts = {}, {}
    for name in TRAIN_SETS[train_set]:
        shards, labels = read_index(os.path.join(folder, name))
        train.update(shards)
        for label, number in labels.items():
            counts[label] = counts.get(label, 0) + number
    test = read_index(f"{folder}/eval")[0]
    if not TRAIN_SETS[train_set]:
        return {"test": test}, counts
    paths, valid = sorted(train), {}
    random.Random(0).shuffle(paths)  # the same whatever the seed of the run
    while sum(valid.values()) < valid_clips and paths:
        path = paths.pop()
        valid[path] = train.pop(path)
    if not train:
        raise InputError(
            f"valid_clips={valid_clips} leaves none of the {len(valid)} shards "
            f"of {folder} to train on: choose fewer, or pack smaller shards"
        )
    splits = {"train": train, "test": test}
    return {**splits, **({"valid": valid} if valid else {})}, counts


def _pack_shard(task, classes, copy):
    path, files, labels = task
    write_shard(path, (_clip(*c, classes, copy) for c in zip(files, labels)))


def _clip(file, labels, classes, copy):
    file = os.fsdecode(bytes(file))
    stem, extension = os.path.splitext(os.path.basename(file))
    names = [classes[label] for label in labels if label != NO_LABEL]
    if copy:
        with open(file, "rb") as audio:
            return stem, extension.lower(), audio.read(), names
    out = io.BytesIO()
    soundfile.write(out, read_audio(file).numpy(), SAMPLE_RATE, format="FLAC")
    return stem, ".flac", out.getvalue(), names


def main(argv):
    """The command line.

    Arguments
    ---------
    argv : list of str
        See ``python pack.py --help``.
    """
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data_folder", help="the csv files, and the clips")
    parser.add_argument("output_folder", help="where the shards go")
    parser.add_argument("--clips_folder", help="if not in data_folder")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--clips", type=int, default=1000, help="of a shard")
    parser.add_argument("--copy", action="store_true", help="do not convert")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args(argv)
    for name in ("clips", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: give 1 or more")
    pack(**vars(options))


if __name__ == "__main__":
    run_main(main)
