"""Sound files that are not what they seem, and what must be said of them.

``GOOD`` files are odd but whole, and are to be read; ``BROKEN`` ones are to be
refused, by a line that has their name and some words. Both are bytes by name.
"""

import io
import struct

import numpy as np
import soundfile

SECONDS = 1.5


def tone(seconds=SECONDS, rate=16000, channels=1, seed=0):
    """A sine with noise: (sample, channel), within full scale."""
    t = np.arange(round(seconds * rate))[:, None] / rate
    noise = np.random.default_rng(seed).standard_normal((len(t), channels))
    return 0.3 * np.sin(2 * np.pi * 440 * t) + 0.02 * noise


def encoded(form, subtype=None, rate=16000, channels=1, samples=None, **how):
    """The bytes of a file that libsndfile writes."""
    out = io.BytesIO()
    if samples is None:
        samples = tone(rate=rate, channels=channels)
    soundfile.write(out, samples, rate, subtype, format=form, **how)
    return out.getvalue()


def with_sample(value, subtype="FLOAT", at=0.5, form="WAV"):
    """A file of floats with one sample of that value, say NaN."""
    samples = tone()
    samples[int(at * len(samples))] = value
    return encoded(form, subtype, samples=samples)


def claiming(frames):
    """An mp3 of a few hundred bytes whose header claims so many frames."""
    data = bytearray(encoded("MP3", samples=tone(0.1)))
    header = max(data.find(b"Xing"), data.find(b"Info"))
    data[header + 8 : header + 12] = struct.pack(">I", frames)
    return bytes(data[:900])


def without_index(samples):
    """An mp3 of variable bit rate without its first frame, the index."""
    how = {"bitrate_mode": "VARIABLE", "compression_level": 0.5}
    data = encoded("MP3", samples=samples, **how)
    return data[data.find(b"\xff\xf3", 4) :]


def half(data):
    """Its first half, as a copy that was broken off leaves it."""
    return data[: len(data) // 2]


def at_rate(rate):
    """A wav of that rate, the sound of which is as long as the others'."""
    return encoded("WAV", rate=rate)


def with_rate(rate):
    """A wav whose header says that rate."""
    data = bytearray(encoded("WAV"))
    data[24:28] = struct.pack("<I", rate)
    return bytes(data)


def good():
    """Odd and whole: name -> bytes."""
    files = {
        f"{form}_{subtype}_{rate}.{form}".lower(): encoded(form, subtype, rate)
        for form, subtype, rate in (
            ("WAV", "GSM610", 8000),
            ("WAV", "GSM610", 16000),
            ("WAV", "G721_32", 8000),
            ("WAV", "IMA_ADPCM", 16000),
            ("WAV", "MS_ADPCM", 44100),
            ("WAV", "ULAW", 8000),
            ("WAV", "PCM_U8", 11025),
            ("WAV", "DOUBLE", 16000),
            ("WAVEX", "PCM_24", 48000),
            ("RF64", "PCM_16", 44100),
            ("W64", "PCM_16", 16000),
            ("AIFF", "PCM_16", 44100),
            ("AIFF", "FLOAT", 22050),
            ("AU", "ULAW", 8000),
            ("AU", "G723_24", 8000),
            ("CAF", "ALAC_16", 48000),
            ("NIST", "PCM_16", 16000),
            ("FLAC", "PCM_24", 96000),
            ("OGG", "VORBIS", 44100),
            ("OGG", "OPUS", 48000),
            ("MP3", "MPEG_LAYER_III", 44100),
        )
    }
    rates = (1000, 1009, 7919, 22254, 37800, 44056, 192000, 767957, 768000)
    files |= {f"rate_{rate}.wav": at_rate(rate) for rate in rates}
    files["eight_channels.wav"] = encoded("WAV", channels=8)
    files["loud.wav"] = encoded("WAV", "FLOAT", samples=30000 * tone())
    wav = encoded("WAV")
    unknown = struct.pack("<I", 0xFFFFFFFF)
    files["streamed.wav"] = wav[:4] + unknown + wav[8:40] + unknown + wav[44:]
    files["no_ending"] = encoded("FLAC")
    files["another_ending.mp3"] = encoded("OGG", "VORBIS")
    return files


def broken():
    """To be refused: name -> (bytes, words of the message)."""
    halves = {
        "wav": ("WAV", None),
        "rf64": ("RF64", None),
        "w64": ("W64", None),
        "aiff": ("AIFF", None),
        "au": ("AU", None),
        "caf": ("CAF", None),
        "flac": ("FLAC", None),
        "mp3": ("MP3", None),
        "ogg": ("OGG", "VORBIS"),
        "opus": ("OGG", "OPUS"),
    }
    files = {
        f"half.{ending}": (half(encoded(*form)), "truncated|broken|no samples")
        for ending, form in halves.items()
    }
    finite = "not finite numbers"
    for form, subtype in (
        ("WAV", "FLOAT"),
        ("WAV", "DOUBLE"),
        ("AIFF", "FLOAT"),
    ):
        for word, value in (("nan", np.nan), ("inf", np.inf), ("huge", 1e30)):
            name = f"{word}_{subtype}.{form}".lower()
            files[name] = with_sample(value, subtype, form=form), finite
    claims = "header claims|truncated|broken"
    files |= {
        "endless.mp3": (claiming(0xFFFFFFFF), claims),
        "long.mp3": (claiming(100_000), claims),
        "rate_0.wav": (with_rate(0), "sample rate|broken"),
        "rate_999.wav": (with_rate(999), "sample rate of 999 Hz"),
        "rate_768001.wav": (with_rate(768001), "sample rate of 768001 Hz"),
        "no_samples.wav": (encoded("WAV", samples=tone(0)), "no samples"),
        "empty.wav": (b"", "0 bytes|empty"),
        "words.wav": (b"These are words.\n" * 99, "a text"),
        "page.wav": (b"<!DOCTYPE html><html>404", "a web page"),
        "lfs.wav": (b"version https://git-lfs.github.com/spec", "Git LFS"),
        "zip.wav": (b"PK\x03\x04" + bytes(99), "a zip archive"),
        "picture.wav": (b"\x89PNG\r\n\x1a\n" + bytes(99), "a picture"),
        "zeros.wav": (bytes(4096), "nothing but zeros"),
        "riff.wav": (encoded("WAV")[:30], "broken"),
    }
    return files


def write_all(folder, files):
    """Write bytes by name; the paths, by name."""
    paths = {}
    for name, data in files.items():
        paths[name] = folder / name
        paths[name].write_bytes(data[0] if isinstance(data, tuple) else data)
    return paths
