"""What log-mel front ends have in common: frames to the energies of mel filters."""

import torch
from torch import nn
from torchaudio.functional import melscale_fbanks

SAMPLE_RATE, HOP = 16000, 160  # Hz; samples


class MelFilters(nn.Module):
    """A front end of waveforms of 16 kHz, with a frame every 10 ms.

    Arguments
    ---------
    seconds : float
        Clips are cut after so much.
    mels : int
        Number of mel filters.
    window : int
        Samples that a frame spans.
    **kwargs : dict
        Of the filters, as for torchaudio's ``melscale_fbanks``.

    Example
    -------
    >>> filters = MelFilters(1.0, mels=64, window=512)
    >>> filters.energies(torch.randn(3, 1024)).shape
    torch.Size([3, 4, 64])
    """

    def __init__(self, seconds, mels, window, **kwargs):
        super().__init__()
        self.seconds = seconds
        self.samples = max(round(seconds * SAMPLE_RATE), 1)
        self.sample_rate, self.mels = SAMPLE_RATE, mels
        banks = melscale_fbanks(
            window // 2 + 1, 0.0, SAMPLE_RATE / 2, mels, SAMPLE_RATE, **kwargs
        )
        hann = torch.hann_window(window)
        self.register_buffer("window", hann, persistent=False)
        self.register_buffer("banks", banks, persistent=False)

    def energies(self, wavs):
        """Waveforms (batch, sample) to energies (batch, frame, mel)."""
        frames = wavs.unfold(1, len(self.window), HOP)
        x = torch.fft.rfft(frames * self.window)
        return torch.view_as_real(x).square().sum(3) @ self.banks
