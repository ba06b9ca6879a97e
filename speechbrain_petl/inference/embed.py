"""Waveforms to embeddings, as the recipes have it without augmentation."""

import torch

from ..data.audio import SAMPLE_RATE
from ..data.resample import resample
from ..errors import InputError


def as_batch(wavs, sample_rate=SAMPLE_RATE):
    """Waveforms that somebody has in hand, as a model takes them.

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms (batch, sample) or one of them (sample,).
    sample_rate : int
        Hz.

    Returns
    -------
    torch.Tensor
        Waveforms (batch, sample) at 16 kHz, fp32.

    Example
    -------
    >>> as_batch(torch.zeros(48000), sample_rate=48000).shape
    torch.Size([1, 16000])
    """
    wavs = wavs.float()
    if wavs.dim() == 1:
        wavs = wavs.unsqueeze(0)
    if wavs.dim() != 2 or not wavs.numel():
        raise InputError(
            f"waveforms of shape {tuple(wavs.shape)}: give (batch, sample)"
        )
    if sample_rate == SAMPLE_RATE:
        return wavs
    return torch.stack(
        [resample(wav, sample_rate, SAMPLE_RATE) for wav in wavs]
    )


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
