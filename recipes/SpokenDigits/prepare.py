"""Free Spoken Digit Dataset: ten English digits of six speakers.

Z. Jackson et al., https://github.com/Jakobovski/free-spoken-digit-dataset.
3000 recordings of 0.1 to 2.3 s, most of 0.4 s, 8 kHz, mono, 16 bit: 50 of each
digit by each of six men, two of whose first language is English. Licence:
CC BY-SA 4.0.

Two protocols. ``speakers``: six folds, each leaves one speaker out to test on;
the next one validates, the other four train. ``official``: of each speaker and
digit the recordings 0 to 4 test and 5 to 49 train; nothing validates.

Official layout::

    free-spoken-digit-dataset-1.0.10/recordings/{digit}_{speaker}_{index}.wav

Authors
 * the speechbrain_petl developers, 2026
"""

import os
import re
from collections import Counter
from functools import partial

from speechbrain_petl import InputError
from speechbrain_petl.data.archives import fetch_archive
from speechbrain_petl.data.releases import find_release, write_manifests
from speechbrain_petl.errors import check_choice

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

VERSION = "1.0.10"
URL = (
    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/"
    f"tags/v{VERSION}.zip"
)
ROOT = f"free-spoken-digit-dataset-{VERSION}"
AUDIO = "recordings"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DIGITS = tuple("0123456789")
PROTOCOLS = ("speakers", "official")
TESTED = 5  # first recordings of each digit and speaker, officially
EACH = 50  # recordings of each digit by each speaker
NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<index>\d+)\.wav")


def prepare_spoken_digits(
    data_folder,
    save_folder,
    fold=1,
    protocol="speakers",
    download=False,
    url=URL,
):
    """Write train.json, test.json and, for the speakers, valid.json.

    Arguments
    ---------
    data_folder : str
        The folder that holds recordings, or the one above it.
    save_folder : str
        Where to write the manifests.
    fold : int
        1 to 6, the speaker to test on: george, jackson, lucas, nicolas, theo,
        yweweler. The official split has only fold 1.
    protocol : str
        "speakers" or "official".
    download : bool
        Fetch the official archive (16 MB) if the folder is missing.
    url : str
        Where it is fetched from.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    folds = len(SPEAKERS) if protocol == "speakers" else 1
    if fold not in range(1, folds + 1):
        raise InputError(
            f"fold={fold} does not exist: protocol={protocol} has {folds}"
        )
    root = find_release(
        data_folder,
        ROOT,
        [AUDIO],
        f"Give the folder {ROOT} of the official archive, or add "
        "--download=True to fetch it there.",
        partial(fetch_archive, url) if download else None,
    )
    splits = _splits(_read(root), fold, protocol)
    return write_manifests(save_folder, splits)


def _splits(clips, fold, protocol):
    splits = {"train": {}, "valid": {}, "test": {}}
    of_speaker = {SPEAKERS[fold - 1]: "test"}
    of_speaker[SPEAKERS[fold % len(SPEAKERS)]] = "valid"
    for key, clip in clips.items():
        if protocol == "speakers":
            split = of_speaker.get(clip["speaker"], "train")
        else:
            split = "test" if clip["index"] < TESTED else "train"
        splits[split][key] = clip
    return {split: items for split, items in splits.items() if items}


def _read(root):
    """id -> manifest entry of all recordings, sorted by id."""
    folder, clips = os.path.join(root, AUDIO), {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("."):
            continue
        match = NAME.fullmatch(name)
        if not match or match["speaker"] not in SPEAKERS:
            raise InputError(
                f"{os.path.join(folder, name)} is no recording "
                "{digit}_{speaker}_{index}.wav of one of "
                f"{', '.join(SPEAKERS)}: take version {VERSION}"
            )
        clips[name.removesuffix(".wav")] = {
            "wav": os.path.join(folder, name),
            "label": match["digit"],
            "speaker": match["speaker"],
            "index": int(match["index"]),
        }
    _check_counts(clips, folder)
    return clips


def _check_counts(clips, folder):
    found = Counter((c["speaker"], c["label"]) for c in clips.values())
    for speaker in SPEAKERS:
        absent = [d for d in DIGITS if not found[speaker, d]]
        if absent:
            raise InputError(
                f"{folder}: {speaker} has no recording of "
                f"{', '.join(absent)}. Unpack the official archive again."
            )
    if set(found.values()) != {EACH}:
        logger.warning(
            f"{folder} has {len(clips)} recordings, version {VERSION} has "
            f"{len(found) * EACH}: results are not comparable with others"
        )
