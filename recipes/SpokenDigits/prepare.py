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

from speechbrain_petl import InputError
from speechbrain_petl.data.archives import fetch_archive
from speechbrain_petl.data.dataio import write_manifest
from speechbrain_petl.data.tables import wrong_folder

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
    if protocol not in PROTOCOLS:
        raise InputError(
            f"protocol={protocol!r} is not one of {', '.join(PROTOCOLS)}"
        )
    folds = len(SPEAKERS) if protocol == "speakers" else 1
    if fold not in range(1, folds + 1):
        raise InputError(
            f"fold={fold} does not exist: protocol={protocol} has {folds}"
        )
    clips = _read(_find(data_folder, download, url))
    manifests = {}
    for split, items in _splits(clips, fold, protocol).items():
        manifests[split] = os.path.join(save_folder, f"{split}.json")
        write_manifest(manifests[split], items)
    return manifests


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


def _find(data_folder, download, url):
    """The folder that holds recordings, fetched if need be."""
    places = [data_folder, os.path.join(data_folder, ROOT)]
    for place in places:
        if os.path.isdir(os.path.join(place, AUDIO)):
            return os.path.abspath(place)
    if download:
        return fetch_archive(url, os.path.abspath(places[1]))
    raise wrong_folder(
        data_folder,
        AUDIO,
        f"Give the folder {ROOT} of the official archive, or add "
        "--download=True to fetch it there.",
    )


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
