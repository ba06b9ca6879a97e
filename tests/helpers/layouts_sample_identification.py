"""Sample identification, generated: songs that use one or two samples."""

from pathlib import Path

from layouts import PLAIN, write_clip
from layouts_brazilian_accents import write_csv

LONG = (2.4, 16000, 1, "PCM_16")  # seconds, Hz, channels, subtype
ODD = ((2.4, 22050, 2, "PCM_16"), (0.8, 16000, 1, "PCM_U8"), LONG)


def pairs_of(samples=6, songs=4):
    """A dict per pair; a song uses two samples, and a sample has one song."""
    pairs = [
        {"song": f"artist{song}/{sample}_{song}.wav", "sample": sample}
        for sample in (f"break{i}" for i in range(samples))
        for song in range(songs)
    ]
    pairs.append({"song": pairs[0]["song"], "sample": "break1"})
    pairs.append({"song": "lonely.wav", "sample": "used_once"})
    return pairs


def make_sample_identification(folder, pairs=None, missing=None):
    """pairs.csv and songs/: stereo, 8 bit, a song that is not listed; without
    the song ``missing``."""
    root = Path(folder) / "SampleIdentification"
    pairs = pairs_of() if pairs is None else pairs
    samples = sorted({pair["sample"] for pair in pairs})
    target_of = {p["song"]: 10 * samples.index(p["sample"]) for p in pairs}
    for number, (song, target) in enumerate(target_of.items()):
        path = root / "songs" / song
        path.parent.mkdir(parents=True, exist_ok=True)
        form = ODD[number] if number < len(ODD) else PLAIN
        if song != missing:
            write_clip(path, target, form, seed=number)
    write_clip(root / "songs" / "not_listed.wav", target=0)
    write_csv(root / "pairs.csv", pairs)
    return root
