"""Speech Commands v0.02: 105 829 spoken words of about 1 s, 35 words.

P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech
Recognition", 2018, https://arxiv.org/abs/1804.03209. Crowdsourced, 16 kHz,
mono, 16 bit. 84 843 clips to train on, 9981 to validate, 11 005 to test; no
speaker is in two of them. Licence: CC BY 4.0.

Official layout of speech_commands_v0.02.tar.gz::

    bed/00176480_nohash_0.wav ... zero/  speaker _nohash_ count
    _background_noise_/*.wav             six long noises
    validation_list.txt testing_list.txt what is in neither is for training

The 12-class task of the paper has ten of the words, ``_unknown_`` (any other)
and ``_silence_`` (noise); its test set is an archive of its own, see twelve.py.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
import re
from functools import partial

from speechbrain_petl import InputError
from speechbrain_petl.data.archives import fetch_archive
from speechbrain_petl.data.releases import find_release, write_manifests
from speechbrain_petl.data.splits import check_disjoint
from speechbrain_petl.errors import check_choice
from twelve import TEST_ROOT, twelve_classes

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

URL = "https://storage.googleapis.com/download.tensorflow.org/data/"
ROOT = "speech_commands_v0.02"
# torchaudio and TensorFlow Datasets give the same sums
SHA256 = {
    ROOT: "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    TEST_ROOT: (
        "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df"
    ),
}
LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
WORDS = (
    "backward bed bird cat dog down eight five follow forward four go happy "
    "house learn left marvin nine no off on one right seven sheila six stop "
    "three tree two up visual wow yes zero"
).split()
CLIPS = {  # task: of each split
    35: {"train": 84843, "valid": 9981, "test": 11005},
    12: {"train": 36923, "valid": 4445, "test": 4890},
}
NAME = re.compile(r"(?P<speaker>.+)_nohash_\d+\.wav")


def prepare_google_speech_commands(
    data_folder,
    save_folder,
    task=35,
    test_folder=None,
    silence_folder=None,
    download=False,
    url=URL,
):
    """Write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str
        The folder speech_commands_v0.02, or the one that holds it.
    save_folder : str
        Where to write the manifests.
    task : int
        Number of classes, 35 or 12.
    test_folder : str, optional
        For 12 classes, the unpacked speech_commands_test_set_v0.02; by
        default looked for beside the data.
    silence_folder : str, optional
        For 12 classes, where to write the clips cut from the noises; by
        default in save_folder.
    download : bool
        Fetch what is missing (2.4 GB; for 12 classes 0.1 GB more).
    url : str
        The folder that it is fetched from.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    check_choice("task", task, CLIPS)
    archive = partial(fetch_archive, f"{url}{ROOT}.tar.gz", sha256=SHA256[ROOT])
    root = find_release(
        data_folder,
        ROOT,
        sorted(LISTS.values()),
        f"Give the folder of the unpacked {ROOT}.tar.gz, or add "
        "--download=True to fetch it there.",
        archive if download else None,
    )
    splits = _read_splits(root)
    test_folder = _find_test(test_folder, root, download and task == 12, url)
    if task == 12:
        silence = silence_folder or os.path.join(save_folder, "silence")
        splits = twelve_classes(splits, root, test_folder, silence)
    remedy = "Take the official lists and archives, whole."
    check_disjoint(splits, "speaker", remedy)
    manifests = write_manifests(save_folder, splits)
    _check_counts({k: len(items) for k, items in splits.items()}, task)
    return manifests


def _find_test(test_folder, root, download, url):
    """The folder of the official 12-class test set, or None."""
    if test_folder is not None:
        if not os.path.isdir(os.path.join(test_folder, "_unknown_")):
            raise InputError(
                f"test_folder={test_folder} holds no _unknown_: give the "
                f"folder of the unpacked {TEST_ROOT}.tar.gz"
            )
        return os.path.abspath(test_folder)
    beside = os.path.join(os.path.dirname(root), TEST_ROOT)
    if download and not os.path.isdir(beside):
        fetch_archive(f"{url}{TEST_ROOT}.tar.gz", beside, SHA256[TEST_ROOT])
    return beside if os.path.isdir(beside) else None


def _read_splits(root):
    """split -> id -> manifest entry, sorted; labelled with the words."""
    clips = _clips(root)
    splits = {split: _read_list(root, split, clips) for split in LISTS}
    twice = sorted(splits["valid"].keys() & splits["test"].keys())
    if twice:
        raise InputError(
            f"{root}: {twice[0]} is in both {' and '.join(LISTS.values())}. "
            "Take the official lists."
        )
    listed = splits["valid"].keys() | splits["test"].keys()
    train = {key: clip for key, clip in clips.items() if key not in listed}
    return {"train": train, **splits}


def _clips(root):
    """id -> manifest entry of every clip of a word."""
    absent = [w for w in WORDS if not os.path.isdir(os.path.join(root, w))]
    if absent:
        raise InputError(
            f"{root} has no folder {', '.join(absent)}: v0.02 has "
            f"{len(WORDS)} words (v0.01 had 30). Unpack {ROOT}.tar.gz again."
        )
    clips = {}
    for word in WORDS:
        for name in sorted(os.listdir(os.path.join(root, word))):
            if name.startswith(".") or not name.endswith(".wav"):
                continue
            wav, match = os.path.join(root, word, name), NAME.fullmatch(name)
            if not match:
                raise InputError(
                    f"{wav} is not named <speaker>_nohash_<count>.wav, so its "
                    "speaker is not known: move it away"
                )
            entry = {"wav": wav, "label": word, **match.groupdict()}
            clips[f"{word}/{name[: -len('.wav')]}"] = entry
    return clips


def _read_list(root, split, clips):
    path, items = os.path.join(root, LISTS[split]), {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            name = line.strip()
            if not name:
                continue
            place, key = f"{path}, line {number}", name[: -len(".wav")]
            word, _, clip = name.partition("/")
            if word not in WORDS or not NAME.fullmatch(clip):
                raise InputError(
                    f"{place}: {name!r} is not <word>/<speaker>_nohash_"
                    f"<count>.wav with one of the {len(WORDS)} words"
                )
            if key not in clips:
                raise InputError(
                    f"{place}: the audio file {os.path.join(root, name)} is "
                    "missing. Unpack the official archive again."
                )
            if key in items:
                raise InputError(f"{place}: {name} is listed twice")
            items[key] = clips[key]
    return dict(sorted(items.items()))


def _check_counts(found, task):
    if found != CLIPS[task]:
        logger.warning(
            f"found {found} clips for {task} classes, official are "
            f"{CLIPS[task]}: results are not comparable with published ones"
        )
