"""Audio files: whether they are whole, and what is in them."""

import os
import struct
from math import gcd

import soundfile
import torch

from ..errors import InputError
from .resample import resample

SAMPLE_RATE = 16000  # Hz, what the encoders expect
MARGIN = 0.1  # seconds read on either side, so that a resampler sees no edge
_REMEDY = "Copy or download it again."
_UNKNOWN_SIZE = 0xFFFFFFFF  # a streamed wav does not know its length


def check_audio(path):
    """Duration of an audio file, or an error if it is not all there.

    Reads the header only. SpeechBrain's reader returns what is left of a
    truncated wav without a word, so its size is checked here.

    Arguments
    ---------
    path : str
        An audio file.

    Returns
    -------
    float
        Seconds.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [0.0] * 8000, 16000)
    >>> check_audio(path)
    0.5
    """
    if not os.path.isfile(path):
        raise InputError(f"the audio file {path} is missing. {_REMEDY}")
    if not os.path.getsize(path):
        raise InputError(f"the audio file {path} has 0 bytes. {_REMEDY}")
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise InputError(f"{path} is no audio file: {reason}. {_REMEDY}")
    if not info.frames:
        raise InputError(f"the audio file {path} holds no samples. {_REMEDY}")
    missing = _missing_bytes(path)
    if missing:
        raise InputError(
            f"the audio file {path} is truncated: {missing} bytes of its "
            f"samples are missing. {_REMEDY}"
        )
    return info.frames / info.samplerate


def read_audio(
    file, samples=None, sample_rate=SAMPLE_RATE, start=0.0, place=None
):
    """Read a file as mono at one rate, no more of it than is needed.

    Arguments
    ---------
    file : str or file
        An audio file of any rate, width and number of channels: its path, or
        its bytes in an ``io.BytesIO``.
    samples : int, optional
        Keep at most that many samples.
    sample_rate : int
        Hz.
    start : float
        Seconds of the file to leave out.
    place : str, optional
        What an error calls the file; its path otherwise.

    Returns
    -------
    torch.Tensor
        Waveform (sample,).

    Example
    -------
    >>> path = getfixture("tmp_path") / "stereo.wav"
    >>> soundfile.write(path, [[0.0, 0.1]] * 4410, 44100)
    >>> read_audio(path).shape
    torch.Size([1600])
    """
    try:
        with soundfile.SoundFile(file) as audio:
            rate, frames = audio.samplerate, -1
            first, lead = _offset(start, rate, sample_rate)
            if samples is not None:
                stop = (lead + samples) / sample_rate + MARGIN
                frames = int(stop * rate)
            audio.seek(min(first, audio.frames))
            # libsndfile takes several times as long to make floats of these
            whole = audio.subtype == "PCM_16"
            wav = audio.read(frames, "int16" if whole else "float32")
    except soundfile.LibsndfileError as error:  # what no header tells
        reason = error.error_string.rstrip(".")
        raise InputError(
            f"{place or file} is no audio file, or broken: {reason}. {_REMEDY}"
        )
    wav = torch.from_numpy(wav)
    if whole:
        wav = wav.float().div_(2**15)
    if wav.ndim > 1:
        wav = wav.mean(dim=1)
    return resample(wav, rate, sample_rate)[lead:][:samples]


def _offset(start, rate, sample_rate):
    """The first frame to read, and how many samples before ``start`` it is.

    It lies where both rates have a sample, so that resampling from there gives
    the samples that resampling the whole file does.
    """
    common = gcd(rate, sample_rate)
    periods = int(max(start - MARGIN, 0) * common)
    lead = round(start * sample_rate) - periods * (sample_rate // common)
    return periods * (rate // common), lead


def _missing_bytes(path):
    """How many bytes the data chunk of a wav lacks (0 for other formats)."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if riff != b"RIFF" or wave != b"WAVE":
            return 0
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                known = length != _UNKNOWN_SIZE
                return max(0, file.tell() + length - size) if known else 0
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0
