"""A classifier as a module with tensors in and out, to be exported."""

import torch
from torch import nn

from ..training.metrics.voting import vote
from .embed import embed


class ClassifierGraph(nn.Module):
    """Clips to probabilities, with tensors in and out.

    Arguments
    ---------
    classifier : AudioClassifier
        The model.
    features : bool
        Take what the front end returns, not waveforms.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> from speechbrain_petl import ClipMean, Wav2Vec2
    >>> pooling = ClipMean(Wav2Vec2((32, 2, 2)))
    >>> hparams = SimpleNamespace(activation="softmax")
    >>> classifier = SimpleNamespace(mods={"pooling": pooling}, hparams=hparams)
    >>> ClassifierGraph(classifier).inputs
    ('wavs', 'lens')
    >>> ClassifierGraph(classifier, features=True).inputs
    ('features', 'lengths')
    """

    def __init__(self, classifier, features=False):
        super().__init__()
        self.mods = classifier.mods
        self.features = features
        self.activation = classifier.hparams.activation
        # waveforms (batch, sample) and lengths as fractions (batch,); or
        # features (batch, ...) and, where padding is left out, the samples of
        # each clip (batch,)
        self.inputs = ("wavs", "lens")
        if features:
            padded = hasattr(self.mods["pooling"], "tokens_of")
            self.inputs = ("features", "lengths") if padded else ("features",)

    def forward(self, *inputs):
        """Tensors as named in ``inputs`` to probabilities (batch, class)."""
        if self.features:
            tokens = self.mods["encoder"](*inputs)
            embeddings = self.mods["pooling"](tokens, *inputs[1:])
        else:
            embeddings = embed(self.mods, *inputs)
        logits = self.mods["classifier"](embeddings)
        return vote(logits.unsqueeze(1), self.activation)

    def example(self, batch):
        """Noise for so many clips, tensors as named in ``inputs`` (tuple)."""
        fbank = self.mods["fbank"]
        generator = torch.Generator().manual_seed(batch)
        wavs = torch.randn(batch, fbank.samples, generator=generator) / 10
        lens = torch.linspace(1.0, 0.3, batch)
        if not self.features:
            return wavs, lens
        inputs = fbank(wavs, lens), lens * fbank.samples
        return inputs[: len(self.inputs)]
