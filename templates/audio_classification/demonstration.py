"""What PETL is for, offline: adapt a small AST to sounds it has never heard.

Audible synthetic sounds of one second, in two disjoint groups of classes: a
source group to train a small encoder on from scratch, and a target group to
adapt it to. Pitch, tempo, level, onset and background noise are drawn per clip,
so no class is told by its pitch or loudness.

Layout::

    results/sounds/source/train/tone/000.wav ... target/test/siren/000.wav ...

Authors
 * the speechbrain_petl developers, 2026
"""

import os
import random

import numpy as np
import soundfile
from speechbrain_petl import save_pretrained
from speechbrain_petl.data.audio import SAMPLE_RATE
from speechbrain_petl.recipe.parsing import check_recipe
from speechbrain_petl.weights.sources import looks_like_path
from tqdm import tqdm

from speechbrain.utils.distributed import run_on_main

FOLDER = "results/sounds"
SECONDS = 1.0
CLIPS = {  # a class: clips of each split
    "source": {"train": 60, "valid": 10, "test": 10},
    "target": {"train": 20, "valid": 10, "test": 25},
}
NOISE_DB = (-25.0, -12.0)  # background noise, relative to the sound


def demonstrate(argv, adapt):
    """The source model, once; a linear probe; the method; the comparison.

    Arguments
    ---------
    argv : list of str
        The command line of train.py, without a data_folder.
    adapt : callable
        That of train.py.

    Returns
    -------
    list of dict
        The results of the probe and of the method.
    """
    source = check_recipe(argv)[-1]["source"]
    options = [a for a in argv[1:] if not a.startswith("--output_folder")]
    folder = os.path.dirname(argv[0])
    if source and looks_like_path(source) and not os.path.exists(source):
        full = [os.path.join(folder, "full.yaml"), *options]
        _, encoder = adapt(
            [*full, *_data("source"), "--source=null", "--lr=0.001"]
        )
        run_on_main(save_pretrained, args=[encoder, source])
    linear = os.path.join(folder, "linear.yaml")
    target = [*options, *_data("target")]
    results = [adapt([linear, *target])[0]]
    if not os.path.samefile(argv[0], linear):
        results.append(adapt([argv[0], *target])[0])
    run_on_main(_show, args=[results])
    return results


def _data(group):
    run_on_main(make_sounds, args=[FOLDER, group, CLIPS[group]])
    return [f"--data_folder={FOLDER}/{group}", f"--dataset={group}"]


def _show(results):
    print("\nFrom the source model to the target sounds, test set:")
    print(f"{'method':<24}{'accuracy':>10}{'trained':>10}{'adapter file':>14}")
    for result in results:
        print(
            f"{result['method']:<24}"
            f"{result['metrics']['accuracy']:>10.1%}"
            f"{result['trainable_parameters']:>10,}"
            f"{result['adapter_bytes'] / 1000:>11,.0f} kB"
        )
    total = results[0]["total_parameters"]
    print(f"A copy of the whole model: {total:,} parameters.")


def make_sounds(folder, group, clips, seed=0):
    """Generate a group of classes, what is not there yet.

    Arguments
    ---------
    folder : str
        Where the wav files go, as group/split/class/number.wav.
    group : str
        "source" or "target".
    clips : dict
        Split -> clips of each class.
    seed : int
        Another seed draws other sounds; give another folder with it.
    """
    for name in tqdm(CLASSES[group], desc=f"generating {group} sounds"):
        splits = [split for split, n in clips.items() for _ in range(n)]
        for number, split in enumerate(splits):
            inner = os.path.join(folder, group, split, name)
            wav = os.path.join(inner, f"{number:03d}.wav")
            if not os.path.exists(wav):
                os.makedirs(inner, exist_ok=True)
                rng = random.Random(f"{seed} {group} {name} {number}")
                sound = _sound(CLASSES[group][name], rng.getrandbits(32))
                soundfile.write(f"{wav}.part", sound, SAMPLE_RATE, format="wav")
                os.replace(f"{wav}.part", wav)


def _sound(make, seed):
    """One clip: a sound at a random level and onset, over pink noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    x = make(rng, t)
    x = np.roll(x, rng.integers(len(x))) / (np.std(x) + 1e-9)
    noise = _filtered(rng, t, lambda hz: 1 / np.sqrt(np.maximum(hz, 50)))
    x = x + noise * 10 ** (rng.uniform(*NOISE_DB) / 20)
    return 0.9 * rng.uniform(0.2, 1) * x / np.abs(x).max()


def _filtered(rng, t, gain):
    """Noise with a spectrum: gain maps Hz to amplitude."""
    spectrum = np.fft.rfft(rng.standard_normal(len(t)))
    hz = np.fft.rfftfreq(len(t), 1 / SAMPLE_RATE)
    x = np.fft.irfft(spectrum * gain(hz), len(t))
    return x / np.std(x)


def _pitch(rng, low=250, high=1500):
    """Hz, log-uniform."""
    return np.exp(rng.uniform(np.log(low), np.log(high)))


def _sine(hz, t):
    """A sine of a fixed or moving frequency in Hz."""
    return np.sin(2 * np.pi * np.cumsum(np.broadcast_to(hz, t.shape)) * t[1])


def _pulses(rng, t, low=4, high=8):
    """1 and 0 in turn, so many times a second."""
    return (t * rng.uniform(low, high)) % 1 < 0.5


def _glide(rng, t, shape):
    """A sine whose pitch follows shape, from 0 to 1, over an octave or two."""
    return _sine(_pitch(rng) * 2 ** (rng.uniform(1, 2) * shape), t)


def _clicks(t, times):
    """Short decaying knocks at the given seconds."""
    since = t[:, None] - np.asarray(times)
    decay = np.where(since >= 0, np.exp(-since.clip(0) * 90), 0)
    return (decay * np.sin(2 * np.pi * 900 * since)).sum(1)


def _saw(rng, t):
    """A harmonic buzz."""
    hz = _pitch(rng, 100, 400)
    return sum(_sine(hz * k, t) / k for k in range(1, 12))


def _whoosh(rng, t):
    """Noise whose band moves up and down."""
    band = _sine(_pitch(rng, 800, 2000) * (1.2 + np.sin(2 * np.pi * t)), t)
    return band * _filtered(rng, t, lambda hz: hz < 300)


CLASSES = {
    "source": {
        "tone": lambda rng, t: _sine(_pitch(rng), t),
        "beeps": lambda rng, t: _sine(_pitch(rng), t) * _pulses(rng, t),
        "rising": lambda rng, t: _glide(rng, t, t),
        "falling": lambda rng, t: _glide(rng, t, 1 - t),
        "buzz": _saw,
        "tremolo": lambda rng, t: (
            _saw(rng, t) * (1.1 + _sine(rng.uniform(5, 9), t))
        ),
        "noise": lambda rng, t: rng.standard_normal(len(t)),
        "bursts": lambda rng, t: (
            rng.standard_normal(len(t)) * _pulses(rng, t)
        ),
        "hiss": lambda rng, t: _filtered(rng, t, lambda hz: hz > 3000),
        "knocks": lambda rng, t: _clicks(
            t, np.arange(0, 1, 1 / rng.uniform(6, 12))
        ),
    },
    "target": {
        "siren": lambda rng, t: _glide(rng, t, 0.5 * _pulses(rng, t, 2, 3)),
        "warble": lambda rng, t: _glide(
            rng, t, 0.2 * _sine(rng.uniform(6, 12), t)
        ),
        "dip": lambda rng, t: _glide(rng, t, np.abs(2 * t - 1)),
        "stairs": lambda rng, t: _glide(rng, t, np.floor(4 * t) / 4),
        "twitter": lambda rng, t: _glide(rng, t, t * rng.uniform(4, 7) % 1),
        "chord": lambda rng, t: sum(
            _sine(hz, t) for hz in _pitch(rng) * np.array([1, 1.26, 1.5])
        ),
        "bounce": lambda rng, t: _clicks(
            t, np.cumsum(0.25 * rng.uniform(0.72, 0.8) ** np.arange(12))
        ),
        "gallop": lambda rng, t: _clicks(
            t, np.add.outer(np.arange(0, 1, 0.3), [0, 0.07, 0.14]).ravel()
        ),
        "rumble": lambda rng, t: _filtered(rng, t, lambda hz: hz < 250),
        "whoosh": _whoosh,
    },
}
