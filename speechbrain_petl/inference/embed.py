"""Waveforms to embeddings, as the recipes have it without augmentation."""

from torch import nn


def embed(modules, wavs, wav_lens):
    """Embed a batch of clips.

    Arguments
    ---------
    modules : dict
        fbank, encoder and pooling.
    wavs : torch.Tensor
        Waveforms (batch, sample).
    wav_lens : torch.Tensor
        Length of each clip as a fraction of the longest (batch,).

    Returns
    -------
    torch.Tensor
        Embeddings (batch, dim).
    """
    samples = wav_lens * wavs.shape[1]
    features = modules["fbank"](wavs, wav_lens)
    tokens = modules["encoder"](features, samples)
    return modules["pooling"](tokens, samples)


class Embedding(nn.Module):
    """Front end, encoder and pooling in one, as SpeechBrain's interfaces call it.

    Arguments
    ---------
    fbank : torch.nn.Module
        Waveforms (batch, sample) and their relative lengths to features.
    encoder : torch.nn.Module
        Features and numbers of samples to tokens.
    pooling : torch.nn.Module
        Tokens and numbers of samples to embeddings.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import AST, Fbank, Pooling
    >>> model = Embedding(Fbank(64), AST((32, 2, 2), frames=64), Pooling())
    >>> model(torch.randn(3, 8000), torch.ones(3)).shape
    torch.Size([3, 32])
    """

    def __init__(self, fbank, encoder, pooling):
        super().__init__()
        self.fbank, self.encoder, self.pooling = fbank, encoder, pooling

    def forward(self, wavs, wav_lens):
        """Waveforms (batch, sample), relative lengths (batch,) to (batch, dim)."""
        modules = {n: getattr(self, n) for n in ("fbank", "encoder", "pooling")}
        return embed(modules, wavs, wav_lens)
