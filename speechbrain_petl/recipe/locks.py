"""Who works in the folder of a run: one process at a time."""

import atexit
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import InputError

LOCK, HOLDER = ".lock", ".locked_by"
PATIENCE = 10  # seconds: loader workers outlive a killed process a little
_HELD = {}  # path -> lock of this process, until its end


def lock(folder):
    """Keep other processes out of a run's folder until this one ends.

    Arguments
    ---------
    folder : str or os.PathLike
        The output_folder; made if it is not there.
    """
    folder = Path(folder).absolute()
    if folder in _HELD:
        return
    folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / LOCK)
    try:
        held.acquire(timeout=PATIENCE)
    except Timeout:
        holder = folder / HOLDER
        who = holder.read_text() if holder.is_file() else "another process"
        raise InputError(f"{folder}: {who} is at work on this run")
    if not _HELD:
        atexit.register(unlock)
    _HELD[folder] = held
    (folder / HOLDER).write_text(
        f"process {os.getpid()} of {socket.gethostname()}"
    )


def unlock():
    """Let others into all folders that this process has locked."""
    while _HELD:
        folder, held = _HELD.popitem()
        (folder / HOLDER).unlink(missing_ok=True)
        held.release()  # the file stays: another may be about to lock it
