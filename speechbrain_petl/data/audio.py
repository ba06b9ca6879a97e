"""Audio files: whether they are whole, and what is in them.

All sound of the package comes through ``read_audio``, so that training,
classification, statistics and caches hear, and refuse, the same.
"""

import os
from contextlib import contextmanager

import numpy as np
import soundfile
import torch

from ..errors import InputError
from .foreign import ForeignFile
from .headers import missing_bytes
from .kinds import foreign_sound, head_of, no_sound
from .mpeg import counted_samples
from .resample import rate_ratio, resample

SAMPLE_RATE = 16000  # Hz, what the encoders expect
RATES = range(1000, 768001)  # Hz
MARGIN = 0.1  # seconds read on either side, so that a resampler sees no edge
# of a whole file, whose full scale is 1: a spectrum of more overflows float32
MOST_ENERGY = 1e30
# No format packs more: a FLAC frame of silence has 65,535 samples in 11 bytes.
DENSEST = 8192  # samples of a channel per byte
SLACK = 0.1  # seconds by which the lengths of MPEG and FFmpeg are estimates
MPEG = "MPEG"  # how its subtypes begin
UNINDEXED = "an mp3 of variable bit rate whose header does not say its length"
_REMEDY = "Copy or download it again."
# libsndfile's errors: the format, or its encoding, is none that it knows
FOREIGN = {1, 4}
_NO_FILE = 7  # what it says of a file of a few bytes, too


def check_audio(path):
    """Duration of an audio file, or an error if it is not all there.

    Reads the header and the last sample, so that what cannot be read in
    training is refused before. SpeechBrain's reader returns what is left of a
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
    try:
        str(path).encode()
    except UnicodeEncodeError:  # manifests, tables and libsndfile need it
        raise InputError(f"the name of {path} is not UTF-8: rename it")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder, no audio file")
    if not os.path.isfile(path):
        raise InputError(f"the audio file {path} is missing. {_REMEDY}")
    if not os.path.getsize(path):
        raise InputError(f"the audio file {path} has 0 bytes. {_REMEDY}")
    with _opened(path, path) as audio:
        frames = audio.frames
        _check_length(audio, frames, os.path.getsize(path), path)
        missing = missing_bytes(path)
        if missing:
            raise InputError(
                f"the audio file {path} is truncated: {missing} bytes of its "
                f"samples are missing. {_REMEDY}"
            )
        last = max(0, frames - 1 - _slack(audio))
        if not audio.seekable():
            last = 0
        _read(audio, last, frames - last, path)
        return frames / audio.samplerate


def read_audio(file, samples=None, start=0.0, name=None):
    """Read a file as mono at 16 kHz, no more of it than is needed.

    Arguments
    ---------
    file : str or file
        An audio file of any rate, width and number of channels: its path, or
        its bytes in an ``io.BytesIO``.
    samples : int, optional
        Keep at most that many samples.
    start : float
        Seconds of the file to leave out.
    name : str, optional
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
    name = name or file
    with _opened(file, name) as audio:
        rate, frames = audio.samplerate, audio.frames
        first, lead = _offset(start, rate)
        count = max(0, frames - first)
        if samples is not None:
            stop = (lead + samples) / SAMPLE_RATE + MARGIN
            count = min(count, int(stop * rate))
        else:
            _check_length(audio, frames, _size(file), name)
        wav = _mono(_read(audio, first, count, name), name)
    wav = resample(wav, rate, SAMPLE_RATE)[lead:][:samples]
    if not len(wav):
        raise InputError(f"the audio file {name} ends before {start} s")
    return wav


@contextmanager
def _opened(file, name):
    """The file opened, by libsndfile or PyAV, and their errors as one line."""
    try:
        with _reader_of(file, name) as audio:
            if audio.samplerate not in RATES:
                raise InputError(
                    f"{name} has a sample rate of {audio.samplerate} Hz: "
                    f"{RATES[0]} to {RATES[-1]} Hz are read. Convert it first."
                )
            yield audio
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        reason = "" if error.code == _NO_FILE else f": {reason}"
        gone = isinstance(file, (str, os.PathLike)) and not os.path.exists(file)
        what = "is missing" if gone else f"is broken{reason}"
        raise InputError(f"{name} {what}. {_REMEDY}") from error


def _reader_of(file, name):
    try:
        audio = soundfile.SoundFile(file)
        return _with_its_length(audio, file, name)
    except soundfile.LibsndfileError as error:
        if error.code not in FOREIGN:
            raise
        head = head_of(file)
        what = foreign_sound(head)
        if what is None:
            raise InputError(
                f"{name} is no audio file: it is {no_sound(head)}. {_REMEDY}"
            ) from error
        if hasattr(file, "seek"):
            file.seek(0)
        return ForeignFile(file, name, what)


def _with_its_length(audio, file, name):
    """The same, or another reader where libsndfile has guessed the length."""
    if audio.subtype != f"{MPEG}_LAYER_III":
        return audio
    counted = counted_samples(file)
    if not counted or abs(counted - audio.frames) <= _slack(audio):
        return audio
    audio.close()
    if hasattr(file, "seek"):
        file.seek(0)
    return ForeignFile(file, name, UNINDEXED)


def _check_length(audio, frames, size, name):
    """Refuse what holds nothing, and lengths that no file of its size has."""
    if not frames:
        raise InputError(f"the audio file {name} holds no samples. {_REMEDY}")
    if frames > size * DENSEST:
        raise InputError(
            f"the audio file {name} is broken: its header claims {frames} "
            f"samples, it has {size} bytes. {_REMEDY}"
        )


def _read(audio, first, count, name):
    """The samples of a part (sample,) or (sample, channel), or an error."""
    # libsndfile takes several times as long to make floats of these
    dtype = "int16" if audio.subtype == "PCM_16" else "float32"
    if audio.seekable():
        audio.seek(min(first, audio.frames))
    elif first:  # GSM and its like
        audio.read(first, dtype)
    wav = audio.read(count, dtype)
    if len(wav) < count - _slack(audio):
        raise InputError(
            f"the audio file {name} is truncated: it ends after "
            f"{(first + len(wav)) / audio.samplerate:.2f} of "
            f"{audio.frames / audio.samplerate:.2f} s. {_REMEDY}"
        )
    return wav


def _slack(audio):
    estimated = audio.subtype.startswith((MPEG, ForeignFile.subtype))
    return int(SLACK * audio.samplerate) if estimated else 0


def _mono(wav, name):
    """The mean of the channels as floats (sample,), all of them finite."""
    whole = wav.dtype == np.int16
    scale = 2.0**-15 if whole else 1.0
    wav = torch.from_numpy(wav).float()
    if wav.ndim > 1:  # a product takes a fifth of the time of mean(dim=1)
        wav = wav @ torch.full(wav.shape[1:], scale / wav.shape[1])
    elif whole:
        wav *= scale
    # the quickest that is not finite where a sample is not
    if not whole and not torch.dot(wav, wav) < MOST_ENERGY:
        raise InputError(
            f"the audio file {name} holds samples that are not finite numbers, "
            "or far too large. Mend it or leave it out."
        )
    return wav


def _offset(start, rate):
    """The first frame to read, and how many samples before ``start`` it is.

    It lies where both rates have a sample, so that resampling from there gives
    the samples that resampling the whole file does.
    """
    old, new = rate_ratio(rate, SAMPLE_RATE)
    periods = int(max(start - MARGIN, 0) * rate / old)
    return periods * old, round(start * SAMPLE_RATE) - periods * new


def _size(file):
    if hasattr(file, "getbuffer"):
        return file.getbuffer().nbytes
    return os.path.getsize(file)
