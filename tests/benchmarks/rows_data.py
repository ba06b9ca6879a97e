"""Rows of the table: features, resampling, the cached probe, an epoch."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from speechbrain_petl import Fbank
from speechbrain_petl.data.audio import read_audio
from speechbrain_petl.training.precision import emulates_bf16
from torch.utils.data import DataLoader, Dataset
from torchaudio.compliance import kaldi
from transformers import ASTFeatureExtractor

from .esc10 import run
from .measure import in_turn, seconds
from .rows_step import row
from .subjects import FRAMES, MAKERS, Trainer, encoder_of

SMALL = (96, 4, 3)
SECONDS, CLIPS = 5, 32


def features(options):
    """Log-mel of a batch of 5 s clips against clip by clip on the CPU."""
    wavs = torch.randn(CLIPS, SECONDS * 16000) / 10
    extractor = ASTFeatureExtractor(max_length=FRAMES)
    fbank = Fbank(frames=FRAMES).to(options.device)
    device_wavs = wavs.to(options.device)
    arrays = [wav.numpy() for wav in wavs]
    settings = {
        "htk_compat": True,
        "window_type": "hanning",
        "num_mel_bins": 128,
        "sample_frequency": 16000,
    }
    functions = {
        "ours": lambda: fbank(device_wavs),
        "HF extractor": lambda: [
            extractor(a, sampling_rate=16000, return_tensors="pt")
            for a in arrays
        ],
        "kaldi": lambda: [kaldi.fbank(w[None], **settings) for w in wavs],
    }
    times = in_turn(functions, 8 * options.rounds)  # short, so many
    ours = times.pop("ours")
    wanted = {"HF extractor": 50 if options.device == "cuda" else 4}
    unit = 1000 / CLIPS
    return [
        row(
            f"features: {name} / ours",
            took / ours,
            f">= {wanted[name]}" if name in wanted else "",
            f"{took * unit:.2f} / {ours * unit:.2f} ms a clip",
        )
        for name, took in times.items()
    ]


def resampling(options):
    """Reading 5 s at 44.1 kHz to 16 kHz; ms a clip, not a ratio."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "a.wav")
        noise = np.random.default_rng(0).standard_normal(SECONDS * 44100) / 10
        soundfile.write(path, noise, 44100)
        functions = {"": lambda: [read_audio(path) for _ in range(20)]}
        together = in_turn(functions, 5)[""] * 50
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone = in_turn(functions, 5)[""] * 50
        torch.set_num_threads(threads)
    return [
        row("read and resample, ms a clip, 1 thread", alone, "about 1"),
        row(f"the same, {threads} threads", together),
    ]


def probe(options):
    """50 epochs of a linear probe: cached against not."""
    epochs = 5
    plain = run(options, "linear", epochs, cache=None)
    cached = run(options, "linear", epochs, cache="frozen")
    many = run(options, "linear", 50, cache="frozen")
    whole = plain["seconds"] / epochs * 50
    difference = abs(plain["accuracy"] - cached["accuracy"])
    note = (
        f"{whole:.0f} s (10 times {epochs} epochs) / {many['seconds']:.1f} s, "
        f"AST {many['size']}, {many['clips']} "
        f"{'real' if options.clips else 'generated'} clips, caching included"
    )
    return [
        row(
            "probe, 50 epochs: uncached / cached",
            whole / many["seconds"],
            ">= 20",
            note,
        ),
        row("probe: difference of accuracies", difference, "<= 0.001"),
    ]


def epoch(options):
    """Epochs over the ESC-10 clips, a small AST: ours and the plain peer."""
    kinds = {
        "ours": {"cache": None},
        "ours, cached features": {"cache": "features"},
    }
    if options.device != "cpu" or not emulates_bf16():  # the peer has fp32
        both = {"cache": "features", "precision": "bf16"}
        kinds["ours, cached features, bf16"] = both
    runs, plain = {name: [] for name in kinds}, []
    for _ in range(2):  # in turn
        for name, kind in kinds.items():
            runs[name].append(run(options, "lora", 3, size=SMALL, **kind))
        found = runs["ours"]
        plain.append(plain_epoch(options, found[0]["files"], found[0]["batch"]))
    took, rows = min(plain), []
    for name, found in runs.items():
        ours = min(r["epoch"] for r in found)
        note = f"{took:.1f} / {ours:.1f} s, AST {list(SMALL)}, best of 4"
        ratio = took / ours
        rows.append(row(f"epoch: plain peer / {name}", ratio, ">= 1.5", note))
        waiting = min(r["waiting"] for r in found)
        name = f"epoch: share of time waiting for data, {name}"
        rows.append(row(name, waiting, "small"))
    return rows


class Preloaded(Dataset):
    """As the papers' code: all samples in memory, features clip by clip."""

    def __init__(self, files):
        self.wavs = [read_audio(file).numpy() for file in files]
        self.extractor = ASTFeatureExtractor(max_length=FRAMES)

    def __len__(self):
        return len(self.wavs)

    def __getitem__(self, index):
        made = self.extractor(self.wavs[index], sampling_rate=16000)
        return torch.as_tensor(np.asarray(made["input_values"][0]))


def plain_epoch(options, files, batch):
    """Seconds of an epoch of the papers' code, after preloading."""
    encoder = encoder_of(SMALL)
    trainer = Trainer(MAKERS["papers"](encoder), batch, options.device)
    loader = DataLoader(Preloaded(files), batch, shuffle=True)

    def once():
        for features in loader:
            trainer.features = features.to(options.device)
            trainer.targets = torch.randint(10, (len(features),)).to(
                options.device
            )
            trainer.step()

    seconds(once)
    return min(seconds(once) for _ in range(2))
