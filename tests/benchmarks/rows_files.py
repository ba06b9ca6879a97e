"""Rows of the table: many short files, classified in batches."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from speechbrain_petl import AST, AudioClassifier, Fbank, Pooling
from speechbrain_petl.data.audio import SAMPLE_RATE, check_audio, read_audio

from .measure import in_turn
from .rows_step import row

FILES = 400
SIZE, FRAMES, MELS, LABELS = (96, 4, 3), 100, 64, 10  # as of the template


def small_classifier(device="cpu"):
    """A classifier as large as the template's, of random weights."""
    modules = {
        "fbank": Fbank(frames=FRAMES, mels=MELS),
        "encoder": AST(SIZE, frames=FRAMES, mels=MELS),
        "pooling": Pooling(),
        "classifier": torch.nn.Linear(SIZE[0], LABELS),
    }
    labels = [f"label {i}" for i in range(LABELS)]
    hparams = {"labels": labels, "activation": "softmax", "overlap": None}
    return AudioClassifier(modules, hparams, run_opts={"device": device})


def make_files(folder, files, seed=0):
    """Noise of half a second to one and a half; their paths."""
    random, paths = np.random.default_rng(seed), []
    for number in range(files):
        path = Path(folder) / f"{number:05d}.wav"
        samples = int(random.uniform(0.5, 1.5) * SAMPLE_RATE)
        soundfile.write(path, random.normal(0, 0.1, samples), SAMPLE_RATE)
        paths.append(str(path))
    return paths


def classify(options):
    """Files in batches, read by workers, against one at a time."""
    classifier = small_classifier(options.device)
    samples = classifier.mods["fbank"].samples
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(folder, FILES // (10 if options.quick else 1))

        def _one_at_a_time():
            for file in files:
                check_audio(file)
                classifier.classify_batch(read_audio(file, samples))

        workers = {f"{n} workers": n for n in (0, 1, 2)}
        functions = {
            name: lambda n=n: [*classifier.classify_files(files, num_workers=n)]
            for name, n in workers.items()
        }
        functions["one at a time"] = _one_at_a_time
        times = in_turn(functions, options.rounds)
    alone = len(files) / times.pop("one at a time")
    return [
        row(
            f"files a second: batches, {name} / one at a time",
            len(files) / took / alone,
            ">= 1.5" if workers[name] == 2 else "",
            f"{len(files) / took:.0f} / {alone:.0f} files/s",
        )
        for name, took in times.items()
    ]
