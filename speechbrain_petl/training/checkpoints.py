"""When a checkpoint is due, what is kept, and which ones are whole."""

import logging
import os
import shutil
import time
from pathlib import Path

import torch

from speechbrain.core import INTRA_EPOCH_CKPT_FLAG
from speechbrain.utils.distributed import ddp_broadcast, main_process_only
from speechbrain.utils.logger import get_logger

from .record import split_record

logger = get_logger(__name__)

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
    )


@main_process_only
def save_at_once(recoverable, path):
    """Save what marks a checkpoint as whole.

    Arguments
    ---------
    recoverable : object
        With a ``state_dict``.
    path : str
        The file, which is whole or not there.
    """
    torch.save(recoverable.state_dict(), f"{path}.part")
    os.replace(f"{path}.part", path)


def tidy_checkpoints(folder):
    """Delete those that a killed run had not written; bring others up to date.

    Arguments
    ---------
    folder : str
        Of the checkpoints.
    """
    for checkpoint in Path(folder).glob("CKPT+*"):
        if (checkpoint / f"{LAST_RECOVERABLE}.ckpt").is_file():
            split_record(checkpoint)
        else:
            logger.warning(f"{checkpoint} is not complete: deleting it")
            shutil.rmtree(checkpoint)
