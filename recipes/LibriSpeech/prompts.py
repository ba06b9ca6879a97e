#!/usr/bin/env python3
"""Recorded prompts of a telephone system, as a table: real speech at hand.

Debian's asterisk-core-sounds packages hold a few hundred prompts each, read by
one voice in a studio, 8 kHz, and what they say (CC BY-SA 3.0).

> apt-get download asterisk-core-sounds-en asterisk-core-sounds-en-wav
> for file in *.deb; do dpkg-deb -x $file sounds; done
> python prompts.py sounds en_US_f_Allison 4

Writes metadata.csv beside the prompts of at most 4 seconds: every fifth text
tests, every tenth validates. What is no speech, in brackets, is left out.

Authors
 * the speechbrain_petl developers, 2026
"""

import csv
import gzip
import sys
from pathlib import Path

import soundfile
from speechbrain_petl.data.text import plain_text

SOUNDS = "usr/share/asterisk/sounds"
TEXTS = "usr/share/doc/asterisk-core-sounds-{0}/core-sounds-{0}.txt.gz"
PARTS = ("test", "train", "train", "train", "valid", "test") + ("train",) * 4
MARKS = "[(:"  # of remarks


def write_table(root, voice, seconds=30):
    """metadata.csv of a voice, such as en_US_f_Allison; returns its path."""
    folder = Path(root) / SOUNDS / voice
    texts = Path(root) / TEXTS.format(voice.partition("_")[0])
    rows, parts = [], {}
    with gzip.open(texts, "rt", encoding="utf-8") as file:
        for line in sorted(file):
            name, _, text = line.strip().partition(": ")
            wav, plain = folder / f"{name}.wav", plain_text(text)
            if not wav.is_file() or not plain or set(text) & set(MARKS):
                continue
            if soundfile.info(wav).duration > float(seconds):
                continue
            # prompts that say the same are in one split
            part = parts.setdefault(plain, PARTS[len(parts) % len(PARTS)])
            rows.append([f"{name}.wav", text, part])
    path = folder / "metadata.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "text", "split"], *rows])
    return path


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    print(write_table(*sys.argv[1:]))
