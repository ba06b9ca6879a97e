"""A tiny generated LibriSpeech in its official layout, and a table like it."""

import csv
from pathlib import Path

import numpy as np
import soundfile
from layouts import sound

WORDS = {"ADO": 0, "BEE": 20, "COOL": 40}  # a tone of its own for each
FOLDERS = {"train-clean-100": 6, "dev-clean": 2, "test-clean": 2}  # clips
RATE = 16000


def spoken(text, seed=0, seconds=0.2):
    """One tone after the other, (sample,)."""
    tones = [
        sound(WORDS[word], seconds, RATE, seed + number)
        for number, word in enumerate(text.split())
    ]
    return np.concatenate(tones)


def texts(count):
    """So many texts of one or two words."""
    names = list(WORDS)
    pairs = [*names, *(f"{a} {b}" for a in names for b in names)]
    return [pairs[number % len(pairs)] for number in range(count)]


def make_librispeech(folder, counts=None, seconds=0.2, odd=True):
    """LibriSpeech with so many clips in each folder, one speaker in each."""
    root = Path(folder) / "LibriSpeech"
    for speaker, (name, count) in enumerate((counts or FOLDERS).items(), 1):
        chapter = root / name / str(speaker) / "100"
        chapter.mkdir(parents=True)
        lines = []
        for number, text in enumerate(texts(count)):
            key = f"{speaker}-100-{number:04d}"
            wav = spoken(text, 100 * speaker + number, seconds)
            soundfile.write(str(chapter / f"{key}.flac"), wav, RATE)
            lines.append(f"{key} {text}\n")
        (chapter / f"{speaker}-100.trans.txt").write_text("".join(lines))
    if odd:
        (root / "SPEAKERS.TXT").write_text("; the speakers\n")
    return root


def make_table(folder, name="metadata.csv", columns=("path", "text", "split")):
    """A csv of your own, of three clips for each split."""
    root = Path(folder)
    rows = [columns]
    for split in ("train", "valid", "test"):
        for number, text in enumerate(texts(3)):
            path = f"{split}{number}.wav"
            wav = spoken(text, number)
            soundfile.write(str(root / path), wav, RATE)
            rows.append([path, f"{text.title()}!", split])
    with open(root / name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return root
