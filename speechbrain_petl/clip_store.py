"""One array per clip on disk, written once and only read afterwards.

A memory map, so that all workers and processes of a machine share its pages.
The name of the file is a checksum of all that it depends on.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch

from speechbrain.utils.distributed import (
    ddp_barrier,
    ddp_broadcast,
    if_main_process,
)


class ClipStore:
    """Arrays of one shape, by the id of their clip.

    Arguments
    ---------
    folder : str
        Where the file lies, or will.
    keys : list of str
        The ids of the clips.
    checksum : str
        Of all that the arrays depend on.

    Example
    -------
    >>> folder = str(getfixture("tmp_path"))
    >>> store = ClipStore(folder, ["a", "b"], "0123")
    >>> store.fill(lambda: [(["b", "a"], torch.eye(2))])
    >>> store["a"]
    tensor([0., 1.])
    """

    def __init__(self, folder, keys, checksum):
        self.path = Path(folder) / f"{checksum}.npy"
        self.rows = {key: row for row, key in enumerate(sorted(keys))}
        self.array = None

    def fill(self, compute):
        """Write the file, unless it is there; every process its share.

        The file appears under its name when it is complete, so that a killed
        run leaves none, and several runs may fill the same one.

        Arguments
        ---------
        compute : callable
            Yields pairs of ids and of their arrays (clip, ...).
        """
        part = f"{self.path}.{os.getpid()}.part"
        there, part = ddp_broadcast((self.path.is_file(), part))
        if there:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        array = None
        for keys, values in compute():
            if array is None:
                array = self._create(part, values.shape[1:])
            rows = [self.rows[key] for key in keys]
            array[rows] = values.float().cpu().numpy()
        if array is not None:
            array.flush()
        ddp_barrier()
        if if_main_process():
            os.replace(part, self.path)
        ddp_barrier()

    def _create(self, part, shape):
        shape = (len(self.rows), *shape)
        if if_main_process():
            np.lib.format.open_memmap(part, "w+", np.float32, shape).flush()
        ddp_barrier()
        return np.lib.format.open_memmap(part, "r+")

    def __getitem__(self, key):
        if self.array is None:  # each worker opens the file by itself
            self.array = np.load(self.path, mmap_mode="r")
        return torch.from_numpy(self.array[self.rows[key]].copy())

    def __getstate__(self):
        return {**self.__dict__, "array": None}


def checksum_of(settings, files, state=None):
    """A checksum of settings, audio files and weights.

    Arguments
    ---------
    settings : dict
        What json can hold.
    files : dict
        Clip -> its manifest entry with a "wav", whose size and time of
        change stand for its content.
    state : dict, optional
        Name -> tensor.

    Returns
    -------
    str
        32 hexadecimal digits.

    Example
    -------
    >>> a, b = (checksum_of({"mels": m}, {}) for m in (64, 128))
    >>> len(a), a == b
    (32, False)
    """
    digest = hashlib.blake2b(digest_size=16)
    stats = {key: os.stat(entry["wav"]) for key, entry in files.items()}
    known = {
        key: (entry, stats[key].st_size, stats[key].st_mtime_ns)
        for key, entry in files.items()
    }
    text = json.dumps([settings, known], sort_keys=True, default=str)
    digest.update(text.encode())
    for name, value in sorted((state or {}).items()):
        digest.update(name.encode())
        value = value.detach().cpu().contiguous()
        digest.update(value.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
