"""Mean and deviation of the log-mel values of a data set, in one pass.

> sbpetl stats MANIFEST.json [--mels=128]

For the ``mean`` and ``std`` of ``Fbank``. Padding is left out: it is no sound.
A table of clips (``data.clips``), such as AudioSet's, is a manifest too, and so is
the json of the original AST, {"data": [{"wav": ..., "labels": ...}, ...]}.
"""

import json
import os

from tqdm import tqdm

from ..errors import ArgumentParser, InputError, check_count


def statistics(manifest, mels=128):
    """Mean and deviation of the log-mel values of a manifest's clips.

    Arguments
    ---------
    manifest : str
        A json or npy file that a prepare.py wrote, or the AST's json.
    mels : int
        Number of mel filters.

    Returns
    -------
    tuple of float
        (mean, std)
    """
    # here, so that --help waits for no torch
    import torch

    from speechbrain.processing.features import (
        combine_gaussian_statistics,
        gaussian_statistics,
    )

    from ..data.windows import read_window
    from ..lobes.fbank import Fbank

    check_count("--mels", mels)
    torch.set_num_threads(1)  # one clip at a time has no use for more
    fbank = Fbank(mels=mels)
    moments = 0, torch.tensor(0.0).double(), torch.tensor(0.0).double()
    for entry in tqdm(_entries(manifest), desc="reading"):
        if isinstance(entry, bytes):
            entry = {"wav": os.fsdecode(entry)}
        if not isinstance(entry, dict) or "wav" not in entry:
            raise InputError(
                f'{manifest} is no manifest: no "wav" in {entry!r}'
            )
        span = entry.get("start", 0.0), entry.get("stop")
        wav = read_window(entry["wav"], *span)
        log_mel = fbank.log_mel(wav.unsqueeze(0)).double()
        moments = combine_gaussian_statistics(
            moments, gaussian_statistics(log_mel)
        )
    count, mean, variance = moments
    if not count:
        raise InputError(f"{manifest} lists no sound")
    return mean.item(), variance.sqrt().item()


def _entries(manifest):
    """What is in a manifest, or the paths as bytes that a table has."""
    try:
        if str(manifest).endswith(".npy"):
            import numpy as np

            return np.load(manifest, mmap_mode="r")["file"]
        with open(manifest, encoding="utf-8") as file:
            read = json.load(file)
        listed = read.get("data")
        return listed if isinstance(listed, list) else read.values()
    except (OSError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{manifest} is no manifest: {error}")


def main(argv):
    """The command line: a manifest, and options."""
    parser = ArgumentParser(prog="sbpetl stats", description=__doc__)
    parser.add_argument("manifest", help="train.json of a run's save folder")
    parser.add_argument("--mels", type=int, default=128, help="mel filters")
    options = parser.parse_args(argv)
    mean, std = statistics(options.manifest, options.mels)
    print(f"mean: {mean:.7f}\nstd: {std:.7f}")
