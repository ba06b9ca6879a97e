"""The 12-class task: ten words, ``_unknown_`` and ``_silence_``.

As in the paper (https://arxiv.org/abs/1804.03209): for every ten clips of the
words, one of another word and one of noise, the same in every run. The test
set is speech_commands_test_set_v0.02.tar.gz, 4890 clips, a folder per class;
without it, one is drawn from testing_list.txt in the same way. Silence is cut
at random, at a random loudness, from the first 80 % of each noise to train, the
next 10 % to validate, the last to test: the loudness is this recipe's choice.

Authors
 * the speechbrain_petl developers, 2026
"""

import math
import os
import random

import soundfile
from speechbrain_petl import InputError
from speechbrain_petl.data.audio import SAMPLE_RATE, check_audio
from tqdm import tqdm

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

TEST_ROOT = "speech_commands_test_set_v0.02"
NOISES = "_background_noise_"
UNKNOWN, SILENCE = "_unknown_", "_silence_"
KEYWORDS = (
    "down",
    "go",
    "left",
    "no",
    "off",
    "on",
    "right",
    "stop",
    "up",
    "yes",
)
SHARE = 0.1  # of unknown and of silence, relative to the words
REGIONS = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}


def twelve_classes(splits, root, test_folder, silence_folder):
    """Turn the splits of 35 words into those of 12 classes.

    Arguments
    ---------
    splits : dict
        split -> id -> manifest entry, labelled with the word.
    root : str
        The folder that holds ``_background_noise_``.
    test_folder : str or None
        The official test set.
    silence_folder : str
        Where to write the clips of silence.

    Returns
    -------
    dict
        split -> id -> manifest entry.
    """
    drawn = {}
    for split, items in splits.items():
        if split == "test" and test_folder:
            drawn[split] = _read_test(test_folder)
            continue
        words = {k: e for k, e in items.items() if e["label"] in KEYWORDS}
        count = math.ceil(SHARE * len(words))
        drawn[split] = {
            **words,
            **_unknown(items, count, split),
            **_silence(root, silence_folder, count, split),
        }
    if not test_folder:
        logger.warning(
            f"{TEST_ROOT} is not given: the test clips of {UNKNOWN} and "
            f"{SILENCE} are drawn here, so results are not comparable with "
            "published ones"
        )
    return drawn


def _unknown(items, count, split):
    others = sorted(k for k, e in items.items() if e["label"] not in KEYWORDS)
    if count > len(others):
        raise InputError(
            f"{split} has {len(others)} clips of other words, {UNKNOWN} takes "
            f"{count}: unpack the official archive again"
        )
    keys = random.Random(f"{UNKNOWN} {split}").sample(others, count)
    return {key: {**items[key], "label": UNKNOWN} for key in sorted(keys)}


def _silence(root, folder, count, split):
    """Cut so many clips of a second from the noises; those there are kept."""
    noises = _noises(root, split)
    os.makedirs(folder, exist_ok=True)
    draw, items = random.Random(f"{SILENCE} {split}"), {}
    for number in tqdm(range(count), desc=f"cutting silence for {split}"):
        noise, first, last = noises[number % len(noises)]
        start, gain = draw.randint(first, last), draw.random()
        wav = os.path.abspath(os.path.join(folder, f"{split}_{number:05}.wav"))
        if not os.path.isfile(wav):
            clip, _ = soundfile.read(noise, SAMPLE_RATE, start)
            part = f"{wav}.{os.getpid()}.part"  # other runs may write it too
            soundfile.write(part, gain * clip, SAMPLE_RATE, format="WAV")
            os.replace(part, wav)
        items[f"{SILENCE}/{split}_{number:05}"] = {"wav": wav, "label": SILENCE}
    return items


def _noises(root, split):
    """(path, first, last) of each noise: where a clip may start, in samples."""
    folder, noises = os.path.join(root, NOISES), []
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in sorted(n for n in names if n.endswith(".wav") and n[0] != "."):
        path = os.path.join(folder, name)
        samples = int(check_audio(path) * SAMPLE_RATE)
        begin, end = (int(share * samples) for share in REGIONS[split])
        info = soundfile.info(path)
        form = (info.samplerate, info.channels)
        if form != (SAMPLE_RATE, 1) or end - begin < SAMPLE_RATE:
            raise InputError(
                f"{path} must be mono, {SAMPLE_RATE} Hz and at least 10 s "
                f"long, and has {info.channels} channels, {info.samplerate} "
                f"Hz and {info.duration:.1f} s: unpack the official archive "
                "again"
            )
        noises.append((path, begin, end - SAMPLE_RATE))
    if not noises:
        raise InputError(
            f"{folder} has no noises to cut {SILENCE} from: unpack the "
            "official archive again"
        )
    return noises


def _read_test(folder):
    """id -> manifest entry of the official test set."""
    items = {}
    for label in sorted((*KEYWORDS, UNKNOWN, SILENCE)):
        place = os.path.join(folder, label)
        names = os.listdir(place) if os.path.isdir(place) else []
        names = sorted(n for n in names if n.endswith(".wav") and n[0] != ".")
        if not names:
            raise InputError(
                f"{place} has no clips: unpack {TEST_ROOT}.tar.gz again"
            )
        for name in names:
            entry = {"wav": os.path.join(place, name), "label": label}
            speaker, found, _ = name.partition("_nohash_")
            if found:  # the name of a clip of silence tells nobody
                entry["speaker"] = speaker.rpartition("_")[2]
            items[f"{label}/{name[: -len('.wav')]}"] = entry
    return items
