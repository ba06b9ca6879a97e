"""Log-mel spectrograms in decibels, as torchaudio's transforms make them.

The front end of CED (https://arxiv.org/abs/2308.11957), of Dasheng
(https://arxiv.org/abs/2406.06992) and of BAT (https://arxiv.org/abs/2602.16305).
"""

import torch
from torch.nn import functional as F

from ..adapters.masks import token_mask
from ..errors import InputError
from .mel_filters import HOP, SAMPLE_RATE, MelFilters

FLOOR = 1e-10  # energy of silence
EPSILON = 1e-8  # of the range of a clip that is scaled


class MelDB(MelFilters):
    """Waveforms (batch, sample) to spectrograms (batch, frame, mel) in dB.

    A frame every 10 ms, in its middle; clips are mirrored at their ends. A
    clip of a padded batch has the values that it has by itself, and zeros
    after them. Runs in fp32 and without gradient.

    Arguments
    ---------
    seconds : float
        Clips are cut after so much.
    mels : int
        Number of mel filters.
    window : int
        Samples that a frame spans: 512, and 1024 for BAT.
    loudness : float
        dB from the loudest value of a clip down to the least: 120, and 80 for
        BAT.
    scaled : bool
        Whether each clip then ranges from 0 to 1, as BAT takes it.

    Example
    -------
    >>> mel_db = MelDB(seconds=1.0)
    >>> mel_db(torch.randn(2, 12000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 76, 64])
    """

    def __init__(
        self, seconds=10.0, mels=64, window=512, loudness=120.0, scaled=False
    ):
        if round(seconds * SAMPLE_RATE) < 1:
            raise InputError(
                f"seconds={seconds}: nothing is left of a clip that is cut "
                "there, give more than 0"
            )
        super().__init__(seconds, mels, window)
        self.loudness, self.scaled, self.half = loudness, scaled, window // 2

    @torch.no_grad()
    def forward(self, wavs, wav_lens=None):
        """Waveforms of 16 kHz (batch, sample) to spectrograms, fp32.

        (batch, frame, mel); ``wav_lens`` are SpeechBrain's, fractions of the
        longest (batch,).
        """
        with torch.autocast(wavs.device.type, enabled=False):
            size, wavs = wavs.shape[1], wavs.float()[:, : self.samples]
            if wav_lens is None:
                wav_lens = torch.ones(len(wavs), device=wavs.device)
            ends = (wav_lens * size).round().long().clamp(max=wavs.shape[1])
            x = self._decibels(wavs, ends)
            own = token_mask(ends // HOP + 1, x.shape[1]).unsqueeze(2)
            loudest = x.masked_fill(~own, -torch.inf).amax((1, 2), True)
            x = x.maximum(loudest - self.loudness)
            if self.scaled:
                least = x.masked_fill(~own, torch.inf).amin((1, 2), True)
                x = (x - least) / (loudest - least + EPSILON)
            return x.masked_fill(~own, 0)

    def _decibels(self, wavs, ends):
        """10 log10 of the mel filters' energies (batch, frame, mel)."""
        longest = wavs.shape[1]
        wavs = wavs.masked_fill(~token_mask(ends, longest), 0)
        # less than half a window cannot be mirrored, and gets silence
        wavs = F.pad(wavs, (0, max(self.half + 1 - longest, 0)))
        last = (ends.clamp(min=self.half + 1) - 1).unsqueeze(1)
        margins = -self.half, longest + self.half
        place = torch.arange(*margins, device=last.device)
        place = last - (last - place.abs()).abs()  # mirrored at both ends
        wavs = wavs.gather(1, place.clamp(min=0))
        energies = self.energies(wavs)
        return 10 * energies.clamp(min=FLOOR).log10()
