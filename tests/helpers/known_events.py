"""Clips whose event lies in a known second and band, for what explains a model.

A texture is a class; when and how high it is heard tells nothing of it. Names
of the files say where it is: ``007_1.25-2.25s_600-1200hz.wav``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000  # Hz
SECONDS = 3.0  # of a clip
EVENT = 1.0  # seconds of it
BANDS = [(300, 600), (600, 1200), (1200, 2400), (2400, 4800)]  # Hz
NOISE = 0.05  # of the background, the event's deviation being 1
NAME = re.compile(r"_([\d.]+)-([\d.]+)s_(\d+)-(\d+)hz")


@dataclass
class Event:
    """Where it is: seconds and Hz."""

    start: float
    stop: float
    low: float
    high: float

    @classmethod
    def of(cls, path):
        """What the name of a file says."""
        return cls(*map(float, NAME.search(Path(path).name).groups()))

    def inside(self, seconds, hertz):
        """Whether the cells of a spectrogram (frame, band) are in it."""
        when = (seconds >= self.start) & (seconds < self.stop)
        how_high = (hertz >= self.low) & (hertz <= self.high)
        return when[:, None] & how_high[None]


def _sine(hz, t):
    return np.sin(2 * np.pi * np.cumsum(np.broadcast_to(hz, t.shape)) / RATE)


def _glide(shape, t, low, high):
    """A sine between two pitches, at 0 and 1 of the shape."""
    return _sine(low * (high / low) ** shape, t)


def _noise(t, low, high):
    rng = np.random.default_rng(int(low))
    spectrum = np.fft.rfft(rng.standard_normal(len(t)))
    hz = np.fft.rfftfreq(len(t), 1 / RATE)
    x = np.fft.irfft(spectrum * ((hz > low) & (hz < high)), len(t))
    return x / x.std()


TEXTURES = {  # group -> class -> (seconds, low, high) to sound
    "source": {
        "tone": lambda t, low, high: _sine((low * high) ** 0.5, t),
        "rising": lambda t, low, high: _glide(t, t, low, high),
        "falling": lambda t, low, high: _glide(1 - t, t, low, high),
        "noise": _noise,
        "beeps": lambda t, low, high: (
            _sine((low * high) ** 0.5, t) * (t * 6 % 1 < 0.5)
        ),
        "trill": lambda t, low, high: _glide(t * 8 % 1 < 0.5, t, low, high),
    },
    "target": {
        "siren": lambda t, low, high: _glide(
            0.5 - 0.5 * np.cos(4 * np.pi * t), t, low, high
        ),
        "twitter": lambda t, low, high: _glide(t * 5 % 1, t, low, high),
        "stairs": lambda t, low, high: _glide(
            np.floor(4 * t) / 3, t, low, high
        ),
        "chord": lambda t, low, high: sum(
            _sine(low * (high / low) ** x, t) for x in (0.1, 0.5, 0.9)
        ),
        "hail": lambda t, low, high: (
            _noise(t, low, high) * np.exp(-(t * 10 % 1) * 6)
        ),
    },
}


def make_events(folder, group, clips, seed=0):
    """A folder of splits and classes; returns it.

    ``clips`` is split -> clips of each class.
    """
    folder = Path(folder) / group
    rng = np.random.default_rng(seed)
    t = np.arange(int(EVENT * RATE)) / RATE
    fade = np.minimum(1, np.minimum(t, EVENT - t) * 50)
    for name, texture in TEXTURES[group].items():
        splits = [split for split, n in clips.items() for _ in range(n)]
        for number, split in enumerate(splits):
            low, high = BANDS[rng.integers(len(BANDS))]
            start = round(rng.uniform(0, SECONDS - EVENT), 2)
            x = texture(t, low, high) * fade
            wav = NOISE * _pink(rng, int(SECONDS * RATE))
            wav[int(start * RATE) :][: len(x)] += x / x.std()
            where = f"{start}-{start + EVENT:.2f}s_{low}-{high}hz"
            path = folder / split / name / f"{number:03d}_{where}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            wav *= rng.uniform(0.3, 0.9) / np.abs(wav).max()
            soundfile.write(path, wav, RATE)
    return folder


def _pink(rng, length):
    hz = np.fft.rfftfreq(length, 1 / RATE)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    x = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 50)), length)
    return x / x.std()
