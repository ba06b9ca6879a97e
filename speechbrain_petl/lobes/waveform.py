"""Normalisation over the time of each clip, without its padding.

The front end of encoders that take waveforms, and the GroupNorm inside the
base models of wav2vec 2.0 (https://arxiv.org/abs/2006.11477).
"""

import torch
from torch import nn

from ..adapters.masks import mask_of, token_mask
from ..errors import InputError

EPSILON = 1e-5  # of the LayerNorm over the samples that the models were fed


class Waveform(nn.Module):
    """Waveforms (batch, sample) with zero mean and unit variance, each clip.

    What comes after the end of a clip is zero. The large models have been
    trained on that. The base ones normalise in their first layer too; those
    trained on that alone (WavLM, torchaudio's bundles) could tell that a clip
    is very quiet, by the epsilon of that layer, and here cannot. Runs in fp32
    and without gradient.

    Arguments
    ---------
    seconds : float
        Clips are cut after so much.
    sample_rate : int
        Hz.

    Example
    -------
    >>> waveform = Waveform(seconds=1.0)
    >>> waveform.samples
    16000
    >>> waveform(torch.randn(2, 16000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 16000])
    """

    def __init__(self, seconds, sample_rate=16000):
        super().__init__()
        self.samples = round(seconds * sample_rate)
        if self.samples < 1:
            raise InputError(
                f"seconds={seconds}: nothing is left of a clip that is cut "
                "there, give more than 0"
            )
        self.sample_rate = sample_rate

    @torch.no_grad()
    def forward(self, wavs, wav_lens=None):
        """Waveforms (batch, sample), normalised, at most ``samples`` long.

        ``wav_lens`` are SpeechBrain's, fractions of the longest (batch,).
        """
        with torch.autocast(wavs.device.type, enabled=False):
            size, wavs = wavs.shape[1], wavs.float()[:, : self.samples]
            if wav_lens is None:
                wav_lens = torch.ones(len(wavs), device=wavs.device)
            mask = token_mask((wav_lens * size).round(), wavs.shape[1])
            return _standardise(wavs, mask)


class ClipNorm(nn.GroupNorm):
    """A GroupNorm of one channel per group that leaves padding out.

    It is told of padding by ``adapters.masks.padding_mask``, frames for tokens.

    Arguments
    ---------
    channels : int
        Number of channels.

    Example
    -------
    >>> ClipNorm(4)(torch.randn(3, 4, 10)).shape
    torch.Size([3, 4, 10])
    """

    def __init__(self, channels):
        super().__init__(channels, channels)

    def forward(self, x):
        """Frames (batch, channel, frame) to the same, zero in padding."""
        mask = mask_of(x.transpose(1, 2))
        if mask is None:
            return super().forward(x)
        x = _standardise(x.float(), mask.unsqueeze(1), self.eps)
        return x * self.weight.unsqueeze(1) + self.bias.unsqueeze(1)


def _standardise(x, mask, epsilon=EPSILON):
    """Zero mean and unit variance along the last axis, zero in padding.

    ``mask`` is True where there is none, of a shape that fits x.
    """
    count = mask.sum(-1, keepdim=True).clamp(min=1)
    mean = (x * mask).sum(-1, keepdim=True) / count
    x = (x - mean) * mask
    variance = x.square().sum(-1, keepdim=True) / count
    return x * torch.rsqrt(variance + epsilon)
