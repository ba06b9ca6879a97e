"""A classifier as one graph, checked against PyTorch before it is kept."""

import json
import os
from pathlib import Path

import torch
from torch import nn

from ..adapters.adapted import AdaptedEncoder
from ..data.audio import SAMPLE_RATE
from ..data.writing import check_file
from ..errors import InputError
from ..training.metrics.voting import vote
from .embed import embed
from .graph_files import check_format, read_graph, write_graph

BATCHES = (1, 5)  # that are checked
TOLERANCE = 1e-4


class _ClassifierGraph(nn.Module):
    """Clips, or what the front end makes of them, to probabilities.

    >>> from types import SimpleNamespace
    >>> from speechbrain_petl import Wav2Vec2
    >>> mods = {"encoder": AdaptedEncoder(Wav2Vec2((32, 2, 2)), {}, [])}
    >>> hparams = SimpleNamespace(activation="softmax")
    >>> classifier = SimpleNamespace(
    ...     mods=mods, hparams=hparams, temperature=1.0
    ... )
    >>> _ClassifierGraph(classifier).inputs
    ('wavs', 'wav_lens')
    >>> _ClassifierGraph(classifier, features=True).inputs
    ('features', 'samples')
    """

    def __init__(self, classifier, features=False):
        super().__init__()
        self.mods = classifier.mods
        self.features = features
        self.activation = classifier.hparams.activation
        self.temperature = classifier.temperature
        # waveforms (batch, sample) and lengths as fractions (batch,); or
        # features (batch, ...) and, where padding is left out, the samples of
        # each clip (batch,)
        self.inputs = ("wavs", "wav_lens")
        if features:
            padded = hasattr(_plain(self.mods["encoder"]), "tokens_of")
            self.inputs = ("features", "samples") if padded else ("features",)

    def forward(self, *inputs):
        """Tensors as named in ``inputs`` to probabilities (batch, class)."""
        if self.features:
            tokens = self.mods["encoder"](*inputs)
            embeddings = self.mods["pooling"](tokens, *inputs[1:])
        else:
            embeddings = embed(self.mods, *inputs)
        logits = self.mods["classifier"](embeddings)
        logits = logits / self.temperature
        return vote(logits.unsqueeze(1), self.activation)

    def example(self, batch):
        """Noise for so many clips, tensors as named in ``inputs`` (tuple)."""
        fbank = self.mods["fbank"]
        generator = torch.Generator().manual_seed(batch)
        wavs = torch.randn(batch, fbank.samples, generator=generator) / 10
        wav_lens = torch.linspace(1.0, 0.3, batch)
        if not self.features:
            return wavs, wav_lens
        inputs = fbank(wavs, wav_lens), wav_lens * fbank.samples
        return inputs[: len(self.inputs)]


def _plain(encoder):
    """The encoder itself, which tells how many tokens are a clip's own."""
    return encoder.encoder if isinstance(encoder, AdaptedEncoder) else encoder


def deploy(classifier, path, features=False):
    """Write a classifier as a graph, and check it.

    Arguments
    ---------
    classifier : AudioClassifier
        The model, on the CPU.
    path : str or os.PathLike
        The file; its name ends in .onnx or .pt2.
    features : bool
        Leave the front end out: the graph takes normalised spectrograms or
        waveforms and, where padding is left out, the samples of each clip.

    Returns
    -------
    float
        The largest difference of a probability from PyTorch's.
    """
    path = Path(path)
    check_writable(path)
    graph = _ClassifierGraph(classifier, features).eval()
    batch = torch.export.Dim("batch")
    inputs = graph.example(2)
    program = torch.export.export(
        graph,
        inputs,
        dynamic_shapes=(tuple({0: batch} for _ in inputs),),
        strict=True,  # the other way takes len(x) for a constant
    )
    part = path.with_name(f"part-{path.name}")
    about = {
        "labels": json.dumps(classifier.hparams.labels),
        "sample_rate": str(SAMPLE_RATE),
        "samples": str(graph.mods["fbank"].samples),
    }
    try:
        write_graph(program, part, graph.inputs, about)
        worst = _check(graph, read_graph(part, graph.inputs), path)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return worst


def check_writable(path):
    """Refuse a graph that could not be written, before any long work.

    Arguments
    ---------
    path : str or os.PathLike
        The file; its name ends in .onnx or .pt2.
    """
    try:
        check_format(Path(path).suffix)
    except InputError as error:
        raise InputError(f"{path}: {error}")
    check_file(path)


def _check(graph, other, path):
    differences = []
    for size in BATCHES:
        inputs = graph.example(size)
        with torch.no_grad():
            wanted = graph(*inputs)
        differences.append((other(*inputs) - wanted).abs().max())
    worst = float(torch.stack(differences).max())  # nan if any is
    if not worst <= TOLERANCE:
        raise InputError(
            f"{path} is not written: its probabilities differ from PyTorch's "
            f"by up to {worst:.1g}"
        )
    return worst
