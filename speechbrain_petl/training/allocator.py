"""glibc's allocator, told to keep large blocks, or never to keep them.

As it comes, glibc gives every block above a few megabytes back to the kernel
when it is freed, and a training step on a CPU spends up to half of its time in
having the same pages mapped and zeroed again. Kept, they are not always used
again: a tensor is aligned, so that one of the same size may not fit its place,
and the process grows to twice the size of its tensors.
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of malloc.h
KEPT_BYTES = 2**31 - 1  # mallopt takes an int
RETURNED_BYTES = 2**22  # less than tokens of a block need
SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
TUNABLES = ("glibc.malloc.trim_threshold", "glibc.malloc.mmap_threshold")


def keep_large_blocks():
    """Let this process keep the memory that it frees, for its next step.

    For training on a CPU. Does nothing where the C library is not glibc, and
    where the user has set the allocator's thresholds.

    Returns
    -------
    bool
        Whether the setting was made.

    Example
    -------
    >>> keep_large_blocks() in (True, False)
    True
    """
    return _set_thresholds(KEPT_BYTES)


def return_large_blocks():
    """Let this process return what it frees at once, and be as small as it can.

    For training on a CPU where memory is scarce and time is not: a Brain does
    so whose encoder has ``gradient_checkpointing: True``.

    Returns
    -------
    bool
        Whether the setting was made: see ``keep_large_blocks``.

    Example
    -------
    >>> return_large_blocks() in (True, False)
    True
    """
    return _set_thresholds(RETURNED_BYTES)


def set_allocator(modules):
    """Keep large blocks, or return them where a module saves memory.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        Of which one may have ``gradient_checkpointing: True``.

    Returns
    -------
    bool
        Whether the setting was made.

    Example
    -------
    >>> import torch
    >>> set_allocator(torch.nn.ModuleDict()) in (True, False)
    True
    """
    saving = any(
        getattr(module, "gradient_checkpointing", False) is True
        for module in modules.modules()
    )
    return return_large_blocks() if saving else keep_large_blocks()


def _set_thresholds(mapped_bytes):
    """Blocks of so many bytes are mapped alone; no others are returned."""
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    chosen = any(name in os.environ for name in SETTINGS)
    if chosen or any(name in tunables for name in TUNABLES):
        return False
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    # glibc before 2.35 refuses so high a threshold: then no block is mapped
    mapped = libc.mallopt(M_MMAP_THRESHOLD, mapped_bytes)
    mapped = mapped or libc.mallopt(M_MMAP_MAX, 0)
    return bool(mapped and libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
