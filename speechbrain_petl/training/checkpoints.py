"""When a checkpoint is due, and what is kept; see whole_checkpoints.py."""

import logging
import os
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import torch

from speechbrain.core import INTRA_EPOCH_CKPT_FLAG
from speechbrain.utils import checkpoints
from speechbrain.utils.distributed import ddp_broadcast, main_process_only

from ..data.checksums import write_sums
from ..errors import InputError

LAST_RECOVERABLE = "scheduler"  # the last file of a checkpoint to be written


class CheckpointInterval:
    """Says when a checkpoint within an epoch is due, alike in all processes.

    Arguments
    ---------
    minutes : float
        Since the last one, or the start of the epoch; 0 for never.
    steps : int
        The same in batches.

    Example
    -------
    >>> interval = CheckpointInterval(minutes=0, steps=2)
    >>> [interval.is_due(between=True) for _ in range(4)]
    [False, True, False, True]
    """

    def __init__(self, minutes, steps):
        self.minutes, self.steps = minutes, steps
        self.restart()

    def restart(self):
        """Count from here."""
        self.last, self.batches = time.time(), 0

    def is_due(self, between):
        """Count a batch.

        Arguments
        ---------
        between : bool
            Whether no gradient is being accumulated, which is in no
            checkpoint.

        Returns
        -------
        bool
            Whether to save one now.
        """
        self.batches += 1
        due = 0 < self.steps <= self.batches
        if self.minutes > 0:  # the clocks of two processes differ
            late = time.time() - self.last > 60 * self.minutes
            due = ddp_broadcast(due or late)
        if due and between:
            self.restart()
        return due and between


def save_within_epoch(checkpointer):
    """Save where a killed run goes on; of these the last is kept.

    Arguments
    ---------
    checkpointer : speechbrain.utils.checkpoints.Checkpointer
        Of the run.
    """
    checkpointer.save_and_keep_only(
        end_of_epoch=False,
        meta={INTRA_EPOCH_CKPT_FLAG: True},
        ckpt_predicate=lambda c: INTRA_EPOCH_CKPT_FLAG in c.meta,
        importance_keys=[],  # the default one grows with every save
        verbosity=logging.DEBUG,
    )


def save_epoch(checkpointer, epoch, selected, keep):
    """Save at the end of an epoch; keep the best and the last ones.

    Arguments
    ---------
    checkpointer : speechbrain.utils.checkpoints.Checkpointer
        Of the run.
    epoch : int
        That has ended.
    selected : dict
        The validation value that selects, by its name; or nothing.
    keep : int
        How many of the best, and how many of the last.
    """
    checkpointer.save_and_keep_only(
        meta={**selected, "epoch": epoch},
        max_keys=list(selected),
        num_to_keep=keep,
        importance_keys=[],
        ckpt_predicate=lambda c: INTRA_EPOCH_CKPT_FLAG not in c.meta,
    )
    checkpointer.delete_checkpoints(  # of this epoch: nobody goes on there
        num_to_keep=0,
        ckpt_predicate=lambda c: INTRA_EPOCH_CKPT_FLAG in c.meta,
        verbosity=logging.DEBUG,
    )


@main_process_only
def save_at_once(recoverable, path):
    """Save what marks a checkpoint as whole, and the checksums of all of it.

    Arguments
    ---------
    recoverable : object
        With a ``state_dict``.
    path : str
        The file, which is whole or not there.
    """
    torch.save(recoverable.state_dict(), f"{path}.part")
    write_sums(Path(path).parent, unfinished=f"{path}.part")
    os.replace(f"{path}.part", path)


def load_state(recoverable, path, end_of_epoch):
    """Load what ``save_at_once`` saved.

    Arguments
    ---------
    recoverable : object
        With a ``load_state_dict``.
    path : str
        The file.
    end_of_epoch : bool
        Not used.
    """
    del end_of_epoch
    recoverable.load_state_dict(torch.load(path, weights_only=True))


@contextmanager
def naming(*folders):
    """Say which checkpoints they are that cannot be loaded inside.

    Arguments
    ---------
    *folders : pathlib.Path
        Theirs.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each recoverable has its own
        frames = traceback.extract_tb(error.__traceback__)
        if not any(f.filename == checkpoints.__file__ for f in frames):
            raise
        reason = (str(error).splitlines() or [""])[0].split(". ")[0]
        raise InputError(
            f"{', '.join(map(str, folders))} cannot be loaded "
            f"({type(error).__name__}: {reason}): delete it, and the run goes "
            "on from the one before"
        ) from error
