"""Mean and deviation of the log-mel values of a data set, in one pass.

> sbpetl stats MANIFEST.json [--mels=128]

For the ``mean`` and ``std`` of ``Fbank``. Padding is left out: it is no sound.
A table of clips (``data.clips``), such as AudioSet's, is a manifest too.
"""

import json
import os

import numpy as np
import torch
from tqdm import tqdm

from ..data.windows import read_window
from ..errors import ArgumentParser, InputError, check_count
from ..lobes.fbank import Fbank


class Moments:
    """Mean and standard deviation of a stream of numbers.

    Blocks are merged by the formula of Chan, Golub and LeVeque (1979), which
    does not lose digits however long the stream is.

    Example
    -------
    >>> moments = Moments()
    >>> for block in torch.arange(10.0).split(3):
    ...     moments.update(block)
    >>> moments.mean, round(moments.std, 4)
    (4.5, 2.8723)
    """

    def __init__(self):
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def update(self, x):
        """Count a block.

        Arguments
        ---------
        x : torch.Tensor
            Numbers, of any shape.
        """
        x = x.double()
        mean, count = x.mean().item(), x.numel()
        total = self.count + count
        apart = mean - self.mean
        self.squares += (x - mean).square().sum().item()
        self.squares += apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.count = total

    @property
    def std(self):
        """The standard deviation of what was counted.

        Returns
        -------
        float
            Of the population, not of a sample.
        """
        return (self.squares / self.count) ** 0.5


def statistics(manifest, mels=128):
    """Mean and deviation of the log-mel values of a manifest's clips.

    Arguments
    ---------
    manifest : str
        A json or npy file that a prepare.py wrote.
    mels : int
        Number of mel filters.

    Returns
    -------
    tuple of float
        (mean, std)
    """
    check_count("--mels", mels)
    fbank, moments = Fbank(mels=mels), Moments()
    for entry in tqdm(_entries(manifest), desc="reading"):
        if isinstance(entry, bytes):
            entry = {"wav": os.fsdecode(entry)}
        if not isinstance(entry, dict) or "wav" not in entry:
            raise InputError(
                f'{manifest} is no manifest: no "wav" in {entry!r}'
            )
        span = entry.get("start", 0.0), entry.get("stop")
        wav = read_window(entry["wav"], *span)
        fbank.frames = fbank.frames_of(len(wav))
        moments.update(fbank.log_mel(wav.unsqueeze(0)))
    if not moments.count:
        raise InputError(f"{manifest} lists no sound")
    return moments.mean, moments.std


def _entries(manifest):
    """What is in a manifest, or the paths as bytes that a table has."""
    try:
        if str(manifest).endswith(".npy"):
            return np.load(manifest, mmap_mode="r")["file"]
        with open(manifest, encoding="utf-8") as file:
            return json.load(file).values()
    except (OSError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{manifest} is no manifest: {error}")


def main(argv):
    """The command line of this module.

    Arguments
    ---------
    argv : list of str
        A manifest and options.
    """
    parser = ArgumentParser(prog="sbpetl stats", description=__doc__)
    parser.add_argument("manifest", help="train.json of a run's save folder")
    parser.add_argument("--mels", type=int, default=128, help="mel filters")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)  # one clip at a time has no use for more
    mean, std = statistics(options.manifest, options.mels)
    print(f"mean: {mean:.7f}\nstd: {std:.7f}")
