"""Whisper's log-mel spectrogram (https://arxiv.org/abs/2212.04356)."""

import torch
from torch.nn import functional as F

from ..adapters.masks import token_mask
from ..errors import InputError
from .mel_filters import HOP, SAMPLE_RATE, MelFilters

LONGEST_SECONDS = 30  # that Whisper hears at a time
WHOLE = LONGEST_SECONDS * SAMPLE_RATE  # samples
WINDOW = 400  # samples
FLOOR = 1e-10  # energy of silence
RANGE = 8.0  # from the loudest value of a clip down, in powers of ten


class LogMel(MelFilters):
    """Waveforms (batch, sample) to log-mel spectrograms (batch, frame, mel).

    As transformers' ``WhisperFeatureExtractor``, cut after the end of the
    clip: log10 of the energies of a clip in 30 s of silence, no less than its
    maximum - 8, then (x + 4) / 4. A clip of a padded batch has the values
    that it has by itself, and zeros after them. Runs in fp32 and without
    gradient.

    Arguments
    ---------
    seconds : float
        Clips are cut after so much, at most 30.
    mels : int
        Number of mel filters: 80, or 128 for large-v3.
    silence : bool
        Fill clips up with silence to 30 s, as in the pretraining, and go on
        after their ends.

    Example
    -------
    >>> log_mel = LogMel(seconds=1.0)
    >>> log_mel(torch.randn(2, 12000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 75, 80])
    """

    def __init__(self, seconds=LONGEST_SECONDS, mels=80, silence=False):
        if not 0 < seconds <= LONGEST_SECONDS:
            raise InputError(
                f"seconds={seconds}: Whisper hears more than 0 and at most "
                f"{LONGEST_SECONDS} seconds of a clip"
            )
        slaney = {"norm": "slaney", "mel_scale": "slaney"}
        super().__init__(seconds, mels, WINDOW, **slaney)
        self.silence = silence

    @torch.no_grad()
    def forward(self, wavs, wav_lens=None):
        """Waveforms of 16 kHz (batch, sample) to spectrograms, fp32.

        (batch, frame, mel); ``wav_lens`` are SpeechBrain's, fractions of the
        longest (batch,).
        """
        with torch.autocast(wavs.device.type, enabled=False):
            size, wavs = wavs.shape[1], wavs.float()[:, : self.samples]
            if wav_lens is not None:
                samples = (wav_lens * size).round()
                wavs = wavs.masked_fill(~token_mask(samples, wavs.shape[1]), 0)
            if self.silence:
                wavs = F.pad(wavs, (0, WHOLE - wavs.shape[1]))
            x = self._log_energies(wavs)
            loudest = x.amax(dim=(1, 2), keepdim=True)
            x = (x.maximum(loudest - RANGE) + 4) / 4
            x = x[:, : -(-wavs.shape[1] // HOP)]
            if wav_lens is None or self.silence:
                return x
            mask = token_mask(frames_of(samples), x.shape[1])
            return x.masked_fill(~mask.unsqueeze(2), 0)

    def _log_energies(self, wavs):
        """log10, of all frames that may hear something of a clip."""
        # what follows a clip is silence, and its mirror image after 30 s
        silence = min(WINDOW, WHOLE - wavs.shape[1])
        wavs = F.pad(wavs, (0, silence))
        wavs = F.pad(wavs, (WINDOW // 2, WINDOW // 2), mode="reflect")
        energies = self.energies(wavs)
        if wavs.shape[1] - WINDOW == WHOLE:
            # Whisper leaves out the frame that starts there
            energies = energies[:, :-1]
        return energies.clamp(min=FLOOR).log10()


def frames_of(samples):
    """How many frames of 10 ms clips of so many samples have; at least one.

    Example
    -------
    >>> frames_of(torch.tensor([16000.0, 161.0]))
    tensor([100,   2])
    """
    return ((samples.round().long() + HOP - 1) // HOP).clamp(min=1)
