"""Which of the listed clips are there, and can be read.

Authors
 * the speechbrain_petl developers, 2026
"""

import os

import numpy as np
from segments import SETS, find_clips
from speechbrain_petl import InputError
from speechbrain_petl.data.audio import check_audio
from tqdm import tqdm

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

LEFT_OUT = "left_out.txt"
SHOWN = 3  # examples in a message


def existing(ids, labels, found):
    """Match a list with the files that exist.

    Arguments
    ---------
    ids : numpy.ndarray
        YouTube ids as bytes (clip,).
    labels : numpy.ndarray
        Their labels (clip, most labels of a clip).
    found : tuple of numpy.ndarray
        What ``find_clips`` returned.

    Returns
    -------
    files : numpy.ndarray
        Paths of the clips that are there, in the order of their ids.
    labels : numpy.ndarray
        Their labels.
    left_out : list of str
        One line for each other clip: its id, and why.
    """
    order = ids.argsort()
    ids, labels = ids[order], labels[order]
    place = np.searchsorted(found[0], ids).clip(max=max(len(found[0]) - 1, 0))
    there = np.zeros(len(ids), dtype=bool)
    if len(found[0]):
        there = found[0][place] == ids
    left_out = [f"{i.decode()}: no such file" for i in ids[~there]]
    files, labels = found[1][place[there]], labels[there]
    sound = np.ones(len(files), dtype=bool)
    bar = tqdm(files, desc="checking clips", leave=False, disable=None)
    for number, file in enumerate(bar):
        try:
            check_audio(os.fsdecode(bytes(file)))
        except InputError as error:
            sound[number] = False
            left_out.append(f"{ids[there][number].decode()}: {error}")
    return files[sound], labels[sound], left_out


def clips_of_sets(segments, clips_folder, save_folder):
    """Match all lists with the clips of a folder.

    Arguments
    ---------
    segments : dict
        Name of a list -> ids and labels, as ``read_segments`` returns them.
    clips_folder : str
        Where the clips are.
    save_folder : str
        Where what is left out will be listed.

    Returns
    -------
    clips : dict
        Name of a list -> files and labels of those that are there.
    lines : list of str
        One for each other clip.
    """
    found, clips, lines = find_clips(clips_folder), {}, []
    for name, (ids, labels) in segments.items():
        files, kept, left_out = existing(ids, labels, found)
        if not len(files):
            raise InputError(
                f"clips_folder={clips_folder} has none of the {len(ids)} clips "
                f"of {SETS[name][0]}: they are Y<YTID>.wav, <YTID>_30.000.wav or "
                "<YTID>.flac, for example, in subfolders or not"
            )
        if left_out:
            logger.warning(
                f"{SETS[name][0]}: {len(left_out)} of {len(ids)} clips are "
                f"missing or broken, such as {'; '.join(left_out[:SHOWN])}. "
                f"All are listed in {os.path.join(save_folder, LEFT_OUT)}"
            )
        lines += [f"{name} {line}\n" for line in left_out]
        clips[name] = files, kept
    return clips, lines
