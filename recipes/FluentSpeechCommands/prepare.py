"""Fluent Speech Commands: 30 043 spoken commands of 97 speakers, 31 intents.

L. Lugosch, M. Ravanelli, P. Ignoto, V. S. Tomar and Y. Bengio, "Speech Model
Pre-training for End-to-End Spoken Language Understanding", Interspeech 2019,
https://arxiv.org/abs/1904.03670. Crowdsourced in the United States and
Canada: 248 phrasings, 16 kHz, mono; 19 hours, a command is 2.3 s on average.
An intent is an action, an object and a location, and right if all three are.
23 132 clips of 77 speakers to train on, 3118 of 10 to validate, 3793 of 10 to
test. Licence: Fluent Speech Commands Public License, for academic research;
by request at https://fluent.ai (no download without a form).

Official layout::

    fluent_speech_commands_dataset/data/{train,valid,test}_data.csv
    fluent_speech_commands_dataset/wavs/speakers/<speaker>/<uuid>.wav

The first column of a csv is the row's number and has no name; then path,
speakerId, transcription, action, object and location.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
from itertools import product

from speechbrain_petl import InputError
from speechbrain_petl.data.releases import find_release, write_manifests
from speechbrain_petl.data.splits import check_disjoint
from speechbrain_petl.data.tables import listed_file, read_table

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

ROOT = "fluent_speech_commands_dataset"
COLUMNS = "path speakerId transcription action object location".split()
SPLITS = {"train": (23132, 77), "valid": (3118, 10), "test": (3793, 10)}
ROOMS = ["bedroom", "kitchen", "none", "washroom"]
INTENTS = [  # actions, objects and locations, in all combinations
    (["activate", "deactivate"], ["lights"], ROOMS),
    (["activate", "deactivate"], ["lamp", "music"], ["none"]),
    (["bring"], ["juice", "newspaper", "shoes", "socks"], ["none"]),
    (
        ["change language"],
        ["Chinese", "English", "German", "Korean", "none"],
        ["none"],
    ),
    (["decrease", "increase"], ["heat"], ROOMS),
    (["decrease", "increase"], ["volume"], ["none"]),
]
SEPARATOR = " | "  # "change language" has a blank of its own
LABELS = sorted(
    SEPARATOR.join(intent) for group in INTENTS for intent in product(*group)
)


def prepare_fluent_speech_commands(data_folder, save_folder):
    """Write train.json, valid.json and test.json.

    The label of a clip is its intent as one string, such as
    "activate | lights | kitchen".

    Arguments
    ---------
    data_folder : str
        The folder fluent_speech_commands_dataset, or the one that holds it.
    save_folder : str
        Where to write the manifests.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    parts = [_csv_of("", split) for split in SPLITS]
    remedy = f"Give the folder {ROOT} of the official archive, see README.md."
    root = find_release(data_folder, ROOT, parts, remedy)
    splits = {split: _read_split(root, split) for split in SPLITS}
    for key in ("wav", "speaker"):
        check_disjoint(splits, key, "Take the official csv files.")
    for split, items in splits.items():
        _check_counts(split, items)
    return write_manifests(save_folder, splits)


def _csv_of(root, split):
    return os.path.join(root, "data", f"{split}_data.csv")


def _read_split(root, split):
    """id -> manifest entry, sorted by id."""
    path, items = _csv_of(root, split), {}
    for line, row in read_table(path, COLUMNS):
        place = f"{path}, line {line}"
        key, item = _read_row(root, row, place)
        if key in items:
            raise InputError(f"{place}: {row['path']} is listed twice")
        items[key] = item
    return dict(sorted(items.items()))


def _read_row(root, row, place):
    """The id and the manifest entry of a row of a csv."""
    label = SEPARATOR.join(row[slot] for slot in COLUMNS[-3:])
    if label not in LABELS:
        raise InputError(
            f"{place}: {label!r} is none of the {len(LABELS)} intents "
            f"(action{SEPARATOR}object{SEPARATOR}location). Take the official "
            "csv, or add the intent to INTENTS in prepare.py."
        )
    wav = listed_file(place, root, row["path"])
    key = os.path.splitext(os.path.basename(wav))[0]
    return key, {
        "wav": wav,
        "label": label,
        "speaker": row["speakerId"],
        "transcription": row["transcription"],
    }


def _check_counts(split, items):
    found = len(items), len({item["speaker"] for item in items.values()})
    if found != SPLITS[split]:
        logger.warning(
            f"{split}_data.csv lists {found[0]} clips of {found[1]} speakers, "
            f"the official one {SPLITS[split][0]} of {SPLITS[split][1]}: "
            "results are not comparable with published ones"
        )
    absent = set(LABELS) - {item["label"] for item in items.values()}
    if absent:
        logger.warning(
            f"{split}_data.csv has no clip of {len(absent)} of the "
            f"{len(LABELS)} intents, such as {min(absent)!r}"
        )
