"""A tiny generated Fluent Speech Commands in its official layout."""

import csv
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
from layouts import ODD, PLAIN, sound

COLUMNS = ",path,speakerId,transcription,action,object,location".split(",")
SLOTS = [  # a tone of its own for each value of a slot
    "activate bring change_language deactivate decrease increase".split(),
    "Chinese English German Korean heat juice lamp lights music newspaper none "
    "shoes socks volume".split(),
    "bedroom kitchen none washroom".split(),
]
INTENTS = [
    "activate lamp none",
    "activate lights bedroom",
    "activate lights kitchen",
    "activate lights none",
    "activate lights washroom",
    "activate music none",
    "bring juice none",
    "bring newspaper none",
    "bring shoes none",
    "bring socks none",
    "change_language Chinese none",
    "change_language English none",
    "change_language German none",
    "change_language Korean none",
    "change_language none none",
    "deactivate lamp none",
    "deactivate lights bedroom",
    "deactivate lights kitchen",
    "deactivate lights none",
    "deactivate lights washroom",
    "deactivate music none",
    "decrease heat bedroom",
    "decrease heat kitchen",
    "decrease heat none",
    "decrease heat washroom",
    "decrease volume none",
    "increase heat bedroom",
    "increase heat kitchen",
    "increase heat none",
    "increase heat washroom",
    "increase volume none",
]
HIGHEST = 55  # the pitch of a slot's last value, as in layouts.sound
SPEAKERS = {"train": 2, "valid": 1, "test": 1}


def make_fluent_speech_commands(
    folder, intents=31, speakers=2, seconds=0.3, odd=True, missing=False
):
    """Each of so many training speakers, and of two more, says each intent once.

    With odd, the first clips of the training csv have all the forms in ODD,
    and there are files that no csv lists. With missing, the last clip of the
    test csv is not there.
    """
    root = Path(folder) / "fluent_speech_commands_dataset"
    (root / "data").mkdir(parents=True)
    forms = iter(ODD.values() if odd else ())
    names = iter(f"{31**12 * n:016x}" for n in range(1, 100))
    for split, count in {**SPEAKERS, "train": speakers}.items():
        rows = [COLUMNS]
        for speaker in islice(names, count):
            for intent in INTENTS[:: len(INTENTS) // intents][:intents]:
                form = next(forms, (seconds, *PLAIN[1:]))
                rows.append(_clip(root, speaker, intent, len(rows), form))
        _write_csv(root / "data" / f"{split}_data.csv", rows)
    if missing:
        (root / rows[-1][1]).unlink()
    if odd:
        (root / "readme.md").write_text("# FLUENT SPEECH COMMANDS DATASET\n")
        (root / "data" / "speaker_demographics.csv").write_text("speakerId\n")
        (root / "wavs" / "speakers" / speaker / "unlisted.wav").touch()
    return root


def spoken(intent, form=PLAIN, seed=0):
    """One tone after the other for action, object and location, (sample,)."""
    seconds, rate = form[:2]
    pitches = [
        HIGHEST * values.index(value) / (len(values) - 1)
        for values, value in zip(SLOTS, intent.split())
    ]
    tones = [
        sound(pitch, seconds / 3, rate, seed + number)
        for number, pitch in enumerate(pitches)
    ]
    return np.concatenate(tones)


def _clip(root, speaker, intent, number, form):
    """Write a clip; returns its row in the csv."""
    folder = root / "wavs" / "speakers" / speaker
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{speaker[:8]}-{number:04x}-11e9-a9a5-5dbec3b8816a.wav"
    channels, subtype = form[2:]
    x = spoken(intent, form, seed=int(speaker, 16) % 2**32 + 10 * number)
    x = np.stack([x] * channels, axis=1)
    soundfile.write(str(path), x, form[1], subtype=subtype)
    slots = [slot.replace("_", " ") for slot in intent.split()]
    words = f"{' '.join(slots)}, please"
    inside = path.relative_to(root).as_posix()
    return [number - 1, inside, speaker, words, *slots]


def _write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
        file.write("\n")  # a blank line at the end


if __name__ == "__main__":
    make_fluent_speech_commands(sys.argv[1])
