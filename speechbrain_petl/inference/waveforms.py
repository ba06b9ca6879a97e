"""Waveforms that somebody has in hand, as a model takes them or refused."""

from numbers import Real

import numpy as np
import torch

from speechbrain.utils.data_utils import batch_pad_right

from ..data.audio import RATES, SAMPLE_RATE
from ..data.resample import resample
from ..errors import InputError

MOST_CHANNELS = 8  # an axis as short as this is one of channels
LOUDEST = 64.0  # floats beyond have never been scaled to full scale 1
FULL_SCALE = 2.0**15  # of 16 bits
PCM = "floats of full scale 1, or int16"


def as_batch(wavs, wav_lens=None, sample_rate=SAMPLE_RATE):
    """Waveforms of any origin as a padded batch at 16 kHz.

    Channels are averaged. An array of two axes is (batch, sample), or
    (sample, channel) where the last one is as short as channels are.

    Arguments
    ---------
    wavs : torch.Tensor or numpy.ndarray or list
        One waveform (sample,), several (batch, sample), those of several
        channels (batch, channel, sample) or (batch, sample, channel); or a
        list of waveforms of any lengths, each (sample,) or with channels.
    wav_lens : torch.Tensor, optional
        Length of each clip as a fraction of the longest (batch,).
    sample_rate : int
        Hz.

    Returns
    -------
    wavs : torch.Tensor
        (batch, sample), fp32.
    wav_lens : torch.Tensor
        (batch,).

    Example
    -------
    >>> as_batch(torch.zeros(48000), sample_rate=48000)[0].shape
    torch.Size([1, 16000])
    >>> stereo = np.zeros((8000, 2), dtype=np.int16)
    >>> wavs, wav_lens = as_batch([stereo, torch.zeros(16000)])
    >>> wavs.shape, wav_lens
    (torch.Size([2, 16000]), tensor([0.5000, 1.0000]))
    """
    if not isinstance(sample_rate, Real) or sample_rate not in RATES:
        raise InputError(
            f"sample_rate={sample_rate!r}: give Hz, a whole number from "
            f"{RATES[0]} to {RATES[-1]}"
        )
    if _is_list(wavs):
        if wav_lens is not None:
            raise InputError("wav_lens belong to a padded batch, not to a list")
        clips = [_clip(wav, f"clip {i}") for i, wav in enumerate(wavs)]
    else:
        clips = _padded(_floats(wavs, "waveforms"))
    if sample_rate != SAMPLE_RATE:
        rates = int(sample_rate), SAMPLE_RATE
        clips = [resample(clip, *rates) for clip in clips]
    if isinstance(clips, list):
        clips, lengths = batch_pad_right(clips)
    else:
        lengths = torch.ones(len(clips))
    if wav_lens is not None:
        lengths = _checked_lengths(wav_lens, len(clips))
    return clips, lengths


def _is_list(wavs):
    """Whether these are waveforms one by one, and not the samples of one."""
    if isinstance(wavs, np.ndarray) and wavs.dtype == object:
        return len(wavs) > 0
    if not isinstance(wavs, (list, tuple)) or not wavs:
        return False
    numbers = sum(isinstance(wav, Real) for wav in wavs)
    if 0 < numbers < len(wavs):
        raise InputError(
            "a number among the waveforms: of (waveform, rate) give "
            "classify_batch(waveform, sample_rate=rate)"
        )
    return not numbers


def _clip(wav, name):
    """One waveform (sample,), of one channel or several."""
    wav = _floats(wav, name)
    shape = tuple(wav.shape)
    if wav.dim() == 2:
        channels = [i for i in (0, 1) if shape[i] <= MOST_CHANNELS]
        wav = wav.mean(dim=channels[0]) if len(channels) == 1 else wav
    if wav.dim() != 1 or not len(wav):
        raise InputError(
            f"{name} has the shape {shape}: give (sample,) or (channel, sample)"
        )
    return wav


def _padded(wavs):
    """A batch of waveforms (batch, sample), of one channel or several."""
    shape = tuple(wavs.shape)
    if wavs.dim() == 1 and shape[0]:
        return wavs.unsqueeze(0)
    short = [size <= MOST_CHANNELS for size in shape]
    if wavs.dim() == 2 and wavs.numel() and (not short[1] or shape[0] == 1):
        return wavs
    if wavs.dim() == 2 and wavs.numel() and not short[0]:
        return wavs.mean(dim=1).unsqueeze(0)
    if wavs.dim() == 3 and wavs.numel() and short[1] != short[2]:
        return wavs.mean(dim=1 if short[1] else 2)
    raise InputError(
        f"waveforms of shape {shape}: give (batch, sample), "
        "(batch, channel, sample) or a list of waveforms"
    )


def _floats(wav, name):
    """An array as a tensor of finite floats, full scale 1."""
    if isinstance(wav, (list, tuple)):
        try:
            wav = np.asarray(wav)
        except ValueError as error:
            raise InputError(f"{name} is no waveform: {error}")
    if isinstance(wav, np.ndarray) and wav.dtype.kind in "fiu":
        # a copy: neither negative strides nor foreign bytes
        wav = torch.from_numpy(wav.astype(wav.dtype.newbyteorder("=")))
    if not isinstance(wav, torch.Tensor):
        kind = getattr(wav, "dtype", type(wav).__name__)
        raise InputError(
            f"{name}: {kind} is no waveform; give an array of {PCM}, or a file "
            "to classify_file"
        )
    if wav.dtype == torch.int16:
        return wav / FULL_SCALE
    if not wav.is_floating_point():
        raise InputError(
            f"{name}: the full scale of {wav.dtype} is not known. Give {PCM}."
        )
    wav = wav.detach().float()
    peak = float(wav.abs().max()) if wav.numel() else 0.0
    if not peak < float("inf"):
        raise InputError(f"{name}: there are samples that are no numbers")
    if peak > LOUDEST:
        raise InputError(
            f"{name}: there are samples of {peak:.0f}. Divide by full scale: "
            "by 32768, if these were 16 bits."
        )
    return wav


def _checked_lengths(wav_lens, clips):
    lengths = torch.as_tensor(wav_lens, dtype=torch.float32).cpu()
    if lengths.shape != (clips,):
        raise InputError(
            f"wav_lens of shape {tuple(lengths.shape)} for {clips} clips"
        )
    if not ((lengths > 0) & (lengths <= 1)).all():
        raise InputError(
            "wav_lens are fractions of the longest clip, above 0 and up to 1: "
            f"{lengths.tolist()}"
        )
    return lengths
