"""One array per clip on disk, written once and only read afterwards.

A memory map, so that all workers and processes of a machine share its pages.
The name of the file is a checksum of all that it depends on.
"""

import hashlib
import json
import math
import os
import shutil
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from speechbrain.utils.distributed import (
    ddp_barrier,
    ddp_broadcast,
    if_main_process,
)
from speechbrain.utils.logger import get_logger

from ...data.checksums import sha256_of
from ...errors import InputError

logger = get_logger(__name__)


class ClipStore:
    """Arrays of one shape, by the id of their clip, of 32 bits or 16.

    Rows that are not a number, after the end of a clip, are left out.

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
        self.sum = self.path.with_suffix(".sha256")
        self.rows = {key: row for row, key in enumerate(sorted(keys))}
        self.array = None

    def fill(self, compute):
        """Write the file, unless it is there; every process its share.

        The file appears under its name when it is complete, so that a killed
        run leaves none. Of several runs that want the same one writes it, and
        the others wait.

        Arguments
        ---------
        compute : callable
            Yields pairs of ids and of their arrays (clip, ...); those of the
            main process are at least one.
        """
        if ddp_broadcast(self._is_whole()):
            return
        with _alone(self.path) if if_main_process() else nullcontext():
            if not ddp_broadcast(self._is_whole()):
                self._write(compute())

    def _is_whole(self):
        """Whether the file is there and as it was written.

        The main process reads all of it, which training does next.
        """
        if not if_main_process() or not self.path.is_file():
            return False
        try:
            known = self.sum.read_text(encoding="utf-8").split()[:1]
        except (OSError, ValueError):
            known = []
        if known == [sha256_of(self.path)]:
            return True
        logger.warning(
            f"{self.path} is damaged (its checksum is another one than that of "
            f"{self.sum.name}): computing it anew"
        )
        return False

    def _write(self, pairs):
        part, pairs = f"{self.path}.part", iter(pairs)
        pair = next(pairs, None)
        half = pair and pair[1].dtype == torch.float16
        kind = pair and (tuple(pair[1].shape[1:]), "<f2" if half else "<f4")
        shape, dtype = ddp_broadcast(kind)
        with _removed_if_broken(part):
            if if_main_process():
                _create(part, (len(self.rows), *shape), dtype)
            ddp_barrier()
            array = np.lib.format.open_memmap(part, "r+")
            while pair:
                keys, values = pair
                rows = [self.rows[key] for key in keys]
                array[rows] = values.to(torch.float32).cpu().numpy()
                pair = next(pairs, None)
            array.flush()
            ddp_barrier()
            if if_main_process():
                self._put(part)
            ddp_barrier()

    def _put(self, part):
        """The finished file, and as ``sha256sum`` would write it its sum."""
        text = f"{sha256_of(part)}  {self.path.name}\n"
        self.sum.write_text(text, encoding="utf-8")
        os.replace(part, self.path)

    def __getitem__(self, key):
        if self.array is None:  # each worker opens the file by itself
            self.array = np.load(self.path, mmap_mode="r")
        stored = self.array[self.rows[key]]
        if stored.ndim > 1:
            first = stored.reshape(len(stored), -1)[:, 0]
            stored = stored[~np.isnan(first)]
        return torch.from_numpy(stored.astype(np.float32))

    def __getstate__(self):
        return {**self.__dict__, "array": None}


@contextmanager
def _alone(path):
    """One run at a time; the system frees the lock of one that is killed."""
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info(f"waiting for another run that computes {path}")
            lock.acquire(poll_interval=0.5)
    except OSError as error:
        raise InputError(
            f"cache_folder={path.parent} cannot be written to ({error}): "
            "choose another one"
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _removed_if_broken(part):
    try:
        yield
    except BaseException:
        if if_main_process():
            Path(part).unlink(missing_ok=True)
        raise


def _create(path, shape, dtype):
    """A file of that size, its space set aside: a full disk shows here."""
    size = np.dtype(dtype).itemsize * math.prod(shape)
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    logger.info(f"caching {shape[0]} clips: {size / 1e6:.1f} MB")
    try:
        free = shutil.disk_usage(os.path.dirname(path)).free
        if size > free:
            raise OSError(f"{free / 1e9:.2f} GB are free")
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), file.tell(), size)
            else:
                file.truncate(file.tell() + size)
    except OSError as error:
        raise InputError(
            f"cache_folder={os.path.dirname(path)} has no room for "
            f"{size / 1e9:.2f} GB ({error}): choose another one, or cache=null"
        )


def checksum_of(settings, files, state):
    """A checksum of settings, audio files and weights.

    Arguments
    ---------
    settings : dict
        What json can hold.
    files : dict
        Clip -> its manifest entry with a "wav", whose size and time of
        change stand for its content.
    state : dict
        Name -> tensor.

    Returns
    -------
    str
        32 hexadecimal digits.

    Example
    -------
    >>> a, b = (checksum_of({"mels": m}, {}, {}) for m in (64, 128))
    >>> len(a), a == b
    (32, False)
    """
    digest = hashlib.blake2b(digest_size=16)
    stats = {key: os.stat(entry["wav"]) for key, entry in files.items()}
    known = {
        key: (entry, stats[key].st_size, stats[key].st_mtime_ns)
        for key, entry in files.items()
    }
    text = json.dumps([settings, known], sort_keys=True)
    digest.update(text.encode())
    for name, value in sorted(state.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
