"""Memory and speed of AudioSet's loaders, at 1 k, 100 k and 2 M clips.

> python tests/benchmarks/audioset_loading.py FOLDER [clips per second of a GPU]

What a core loads is told by CPU seconds, which others on the machine change
less. The clips are generated: 10 s, 16 kHz, 16 bit; the entries point to the same
few files, since the memory is that of the lists. Each measurement runs in a
process of its own.
"""

import io
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import soundfile
import torch
from speechbrain_petl.data.clips import ClipDataset, write_clips
from speechbrain_petl.data.shards import read_index, write_index, write_shard
from speechbrain_petl.data.stream import TrainStream
from torch.utils.data import DataLoader

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.sampler import ReproducibleWeightedRandomSampler

SECONDS, RATE, CLASSES, SHARD, BATCH = 10, 16000, 527, 1000, 12
SIZES = (1_000, 100_000, 2_000_000)
BATCHES = 100
FULL, EPOCHS, GPUS = 2_000_000, 5, 8
LABELS = [f"/m/{c:06d}" for c in range(CLASSES)]


def encoded(form, seed):
    """A clip of coloured noise: it compresses about as much as sound does."""
    noise = np.random.default_rng(seed).standard_normal(SECONDS * RATE)
    out = io.BytesIO()
    sound = 0.02 * np.cumsum(noise - noise.mean()) / 10
    soundfile.write(out, sound, RATE, format=form)
    return out.getvalue()


def make(folder):
    """20 files, a shard of 1000 clips, tables and folders of both sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    few = [encoded("WAV", seed) for seed in range(20)]
    for number, data in enumerate(few):
        (folder / f"{number}.wav").write_bytes(data)
    flac = [encoded("FLAC", seed) for seed in range(20)]
    one = folder / "one.tar"
    clips = (
        (f"{n:011d}", ".flac", flac[n % 20], labels(n)) for n in range(SHARD)
    )
    write_shard(str(one), clips)
    for size in SIZES:
        names = [f"{folder}/{n % 20}.wav".encode() for n in range(size)]
        rows = np.arange(size)[:, None] % CLASSES
        write_clips(str(folder / f"{size}.npy"), np.array(names), rows)
        shards = folder / f"shards{size}"
        shards.mkdir(exist_ok=True)
        for n in range(size // SHARD):
            link = shards / f"{n:06d}.tar"
            if not link.exists():
                link.symlink_to(one)
        index = shards / "index.json"
        if size == SIZES[0]:
            first = write_index(str(shards))
        count = {f"{n:06d}.tar": SHARD for n in range(size // SHARD)}
        times = size // SHARD
        count_of = {k: times * number for k, number in first["labels"].items()}
        index.write_text(json.dumps({"shards": count, "labels": count_of}))


def labels(number):
    return [LABELS[number % CLASSES], LABELS[(number + 1) % CLASSES]]


def folder_loader(folder, size, workers):
    """As train.py's, from files."""
    clips = ClipDataset(str(folder / f"{size}.npy"), CLASSES, SECONDS * RATE)
    sampler = ReproducibleWeightedRandomSampler(clips.weights(), size, True)
    return DataLoader(
        clips,
        BATCH,
        sampler=sampler,
        num_workers=workers,
        collate_fn=PaddedBatch,
    )


def shard_loader(folder, size, workers):
    """As train.py's, from shards."""
    shards, counts = read_index(str(folder / f"shards{size}"))
    stream = TrainStream(
        shards,
        LABELS,
        samples=SECONDS * RATE,
        batch_size=BATCH,
        counts=counts,
        clips_per_epoch=BATCH * BATCHES * 2,
        buffer=SHARD,
    )
    return DataLoader(stream, batch_size=None, num_workers=workers)


def measure(make_loader, folder, size, workers):
    """Private memory (MB) beyond the imports', clips a second, of a core."""
    torch.set_num_threads(1)
    me = psutil.Process()
    before = me.memory_full_info().uss
    loader = make_loader(folder, size, workers)
    batches = iter(loader)
    next(batches)
    start, busy, most = time.time(), cpu_seconds(me), 0
    for number, batch in enumerate(batches, start=1):
        if number % 20 == 0:
            family = [me, *me.children()]
            used = sum(p.memory_full_info().uss for p in family)
            most = max(most, used - before)
        if number == BATCHES or number == len(loader) - 1:
            break
    speed = number * BATCH / (time.time() - start)
    core = number * BATCH / (cpu_seconds(me) - busy)
    return most / 2**20, speed, core


def cpu_seconds(process):
    """Of it and of its workers, so far."""
    times = [p.cpu_times() for p in (process, *process.children())]
    return sum(t.user + t.system for t in times)


def main(folder, gpu_speed):
    """Print a line for each loader and size, and what two million take."""
    make(folder)
    for make_loader in (folder_loader, shard_loader):
        for size in SIZES:
            for workers in (0, 1):
                with ProcessPoolExecutor(1) as pool:
                    memory, speed, core = pool.submit(
                        measure, make_loader, folder, size, workers
                    ).result()
                print(
                    f"{make_loader.__name__:14} {size:7} clips {workers} "
                    f"workers: {memory:6.0f} MB, {speed:5.0f} clips/s, "
                    f"{core:5.0f} a CPU second",
                    flush=True,
                )
    hours = FULL * EPOCHS / (GPUS * gpu_speed) / 3600
    print(
        f"{FULL} clips x {EPOCHS} epochs at {gpu_speed:.0f} clips/s on each of "
        f"{GPUS} GPUs: {hours:.1f} h, if the loaders keep up: "
        f"{gpu_speed:.0f} clips/s per GPU"
    )
    print(f"on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2] if sys.argv[2:] else 200))
