"""Sample identification: which known recording does a song sample?

Which songs is up to you: there is no official release, the csv file is the
data set. A public list of such pairs is Sample100 (J. Van Balen, J. Serrà, M.
Haro, "Automatic Identification of Samples in Hip Hop Music", CMMR 2012,
https://github.com/jvbalen/sample_100): titles only, since the audio belongs to
its owners, and at least 31 of its 68 samples are used by one song only.

Layout of data_folder::

    pairs.csv     song,sample; a song may use several samples
    songs/...     the songs, at ``song`` relative to this folder

The class is the sample; its own recording is not needed. Some songs of each
sample are held out for the test, and songs are cut into windows. The original
protocol tested on the songs it had trained on: ``closed_set``.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
import random
from pathlib import Path

from speechbrain_petl import InputError
from speechbrain_petl.data.layouts import table_clips
from speechbrain_petl.data.tables import find_table
from speechbrain_petl.data.windows import write_windows
from speechbrain_petl.errors import refuse_all

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)


def prepare_sample_identification(
    data_folder,
    save_folder,
    window,
    overlap=0.5,
    pairs="pairs.csv",
    songs="songs",
    closed_set=False,
    split_seed=1,
    valid_ratio=0.1,
    test_ratio=0.2,
):
    """Write train.json, test.json and, if it has songs, valid.json.

    Arguments
    ---------
    data_folder : str
        The folder that holds the csv file and the songs.
    save_folder : str
        Where to write the manifests.
    window : float
        Seconds; songs are cut.
    overlap : float
        Share of a window that the next one repeats.
    pairs : str
        The csv file, relative to data_folder.
    songs : str
        The folder of the songs, relative to data_folder.
    closed_set : bool
        Train and test on all songs.
    split_seed : int
        Chooses the songs that are held out.
    valid_ratio : float
        Share of each sample's songs to validate on; every sample keeps one to
        train on.
    test_ratio : float
        Share to test on, at least one song of every sample that has two.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    path = find_table(data_folder, pairs, "song,sample of the pairs")
    root = Path(path).parent / str(songs)
    samples_of = _read(path, root)
    if closed_set:
        splits = {"train": sorted(samples_of), "test": sorted(samples_of)}
    else:
        ratios = {"test": test_ratio, "valid": valid_ratio}
        splits = _hold_out(samples_of, ratios, split_seed, path)
    manifests = {}
    for split, chosen in splits.items():
        items = {
            song: {
                "wav": str(root / song),
                "labels": samples_of[song],
            }
            for song in chosen
        }
        manifests[split] = os.path.join(save_folder, f"{split}.json")
        write_windows(manifests[split], items, window, overlap)
        logger.info(f"{split}: {len(items)} songs")
    return manifests


def _read(path, root):
    """Song -> its samples, both sorted."""
    first, samples_of, problems = {}, {}, []
    for clip in table_clips(Path(path), root, beside=root):
        song = os.path.relpath(clip["wav"], root)
        for sample in clip["labels"]:
            place = first.setdefault((song, sample), clip["place"])
            if place != clip["place"]:
                problems.append(
                    f"{clip['place']}: {song} with {sample} is in {place} "
                    "already"
                )
            samples_of.setdefault(song, []).append(sample)
    refuse_all(path, problems, "Delete one of the lines.")
    samples = {sample for _, sample in first}
    if len(samples) < 2:
        raise InputError(
            f"{path} names one sample only ({samples.pop()}): there is "
            "nothing to tell apart"
        )
    return {song: sorted(samples_of[song]) for song in sorted(samples_of)}


def _hold_out(samples_of, ratios, seed, path):
    """Choose test and validation songs; every sample keeps a training song."""
    no_test = ratios["test"] <= 0
    if no_test or ratios["valid"] < 0 or sum(ratios.values()) >= 1:
        raise InputError(
            f"valid_ratio={ratios['valid']} must not be negative, test_ratio="
            f"{ratios['test']} must be above 0, and both must leave something "
            "to train on"
        )
    songs_of = {}
    for song, samples in samples_of.items():
        for sample in samples:
            songs_of.setdefault(sample, []).append(song)
    split_of = dict.fromkeys(samples_of, "train")
    for split, share in ratios.items():
        for sample in sorted(songs_of):
            wanted = max(1, round(share * len(songs_of[sample])))
            order = list(songs_of[sample])
            random.Random(f"{seed} {split} {sample}").shuffle(order)
            for song in order:
                held = [s for s in order if split_of[s] == split]
                if share and len(held) < wanted:
                    _hold(song, split, split_of, samples_of, songs_of)
    _report(split_of, songs_of, path)
    splits = {"train": [], "valid": [], "test": []}
    for song in sorted(split_of):
        splits[split_of[song]].append(song)
    return {split: songs for split, songs in splits.items() if songs}


def _hold(song, split, split_of, samples_of, songs_of):
    """Hold a song out, unless one of its samples would lose its last one."""
    if split_of[song] != "train":
        return
    split_of[song] = split
    for sample in samples_of[song]:
        if not any(split_of[s] == "train" for s in songs_of[sample]):
            split_of[song] = "train"


def _report(split_of, songs_of, path):
    """Say what cannot be tested or validated."""
    for split in ("test", "valid"):
        without = [
            sample
            for sample, songs in songs_of.items()
            if split not in {split_of[song] for song in songs}
        ]
        if split == "test" and len(without) == len(songs_of):
            raise InputError(
                f"{path}: no song can be held out, since every sample would "
                "lose its only training song. Add songs, or test on the "
                "training songs with --closed_set=True."
            )
        if without:
            logger.warning(
                f"{path}: {len(without)} of {len(songs_of)} samples have too "
                f"few songs to hold one out for {split}"
            )
