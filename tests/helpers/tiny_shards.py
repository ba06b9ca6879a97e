"""Shards of tiny clips, whose level tells which clip it is."""

import io

import numpy as np
import soundfile
from speechbrain_petl.data.shards import write_index, write_shard

CLASSES = ["a", "b", "c"]
SHARDS, CLIPS = 5, 7  # clips of a shard
SETTINGS = {"classes": CLASSES, "samples": 160, "batch_size": 4}


def audio(number):
    """A flac file whose level tells the clip."""
    out = io.BytesIO()
    x = np.full(160, (number + 1) / 100)
    soundfile.write(out, x, 16000, format="FLAC")
    return out.getvalue()


def labels(number):
    """`a` is common, `c` is rare."""
    return ["a", "c"] if number % 10 == 0 else ["ab"[number % 5 == 1]]


def make_shards(folder):
    """Write them and their index."""
    for shard in range(SHARDS):
        numbers = range(CLIPS * shard, CLIPS * (shard + 1))
        clips = ((f"{n:03d}", ".flac", audio(n), labels(n)) for n in numbers)
        write_shard(str(folder / f"{shard:06d}.tar"), clips)
    write_index(str(folder))
    return folder
