"""Data loaders: who loads which clips in which order, and with which workers.

One order of the training clips whatever the number of processes: with the same
global batch, torchrun takes the same steps as one process.
"""

import os
import random

from torch.utils.data import IterableDataset, Sampler

import speechbrain as sb

from ..data.batches import dynamic_batches, longest_first
from ..errors import InputError

MOST_WORKERS = 8  # of a process


class DealtSampler(Sampler):
    """What one of n processes takes of an order: every n-th clip.

    The batches of all processes are together the batch of one. Where a process
    has no clip of the last one, it takes one that another process has, too.

    Arguments
    ---------
    sampler : torch.utils.data.Sampler
        The order, alike in every process.
    rank : int
        Which process.
    processes : int
        How many.
    batch_size : int
        Of each of them.
    drop_last : bool
        Whether a batch that is not full is left out.

    Example
    -------
    >>> [list(DealtSampler(range(5), rank, 2, batch_size=2)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(self, sampler, rank, processes, batch_size, drop_last=False):
        self.sampler, self.rank, self.processes = sampler, rank, processes
        clips = len(sampler)
        self.clips = clips - clips % processes if drop_last else clips
        first, mine = (len(range(r, self.clips, processes)) for r in (0, rank))
        self.has_spare = -(first // -batch_size) > -(mine // -batch_size)
        self.length = mine + self.has_spare

    def __iter__(self):
        order = list(self.sampler)[: self.clips]
        spare = order[:1] if self.has_spare else []
        return iter(order[self.rank :: self.processes] + spare)

    def __len__(self):
        return self.length

    def set_epoch(self, epoch):
        """Each has another order."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)


def workers_for(device, processes=1):
    """How many workers load clips for each process.

    Where the device is a GPU: one for each core that a process does not need
    itself, but no more than it can wait for. A CPU needs its cores for the
    steps.

    Arguments
    ---------
    device : str
        "cuda", "cpu", ...
    processes : int
        On this machine.

    Returns
    -------
    int
        0 for none.

    Example
    -------
    >>> workers_for("cpu")
    0
    """
    if device == "cpu":
        return 0
    return max(1, min(usable_cores() // processes - 1, MOST_WORKERS))


def usable_cores():
    """How many cores this process may use.

    Returns
    -------
    int
        At least 1.

    Example
    -------
    >>> usable_cores() > 0
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spare_step(loader):
    """Which step of an epoch, if any, has clips that another process has, too.

    Arguments
    ---------
    loader : torch.utils.data.DataLoader
        Of the training clips.

    Returns
    -------
    int or None
        Counted from 1.

    Example
    -------
    >>> from torch.utils.data import DataLoader
    >>> for rank in (0, 1):
    ...     sampler = DealtSampler(range(5), rank, 2, batch_size=2)
    ...     print(spare_step(DataLoader(range(5), 2, sampler=sampler)))
    None
    2
    """
    has_spare = getattr(loader.sampler, "has_spare", False)
    return len(loader) if has_spare else None


def loader_arguments(brain, dataset, stage, dynamic_batch=None, **loader):
    """Arguments of the loader of a stage.

    Arguments
    ---------
    brain : ResumableBrain
        Whose ``seed``, ``rank``, ``processes`` and ``make_sampler`` count.
    dataset : torch.utils.data.Dataset
        What to load; a stream orders and deals its clips by itself.
    stage : speechbrain.Stage
        TRAIN, VALID or TEST.
    dynamic_batch : dict, optional
        For training, those of ``batches.dynamic_batches`` in place of
        ``batch_size``.
    **loader : dict
        As for ``torch.utils.data.DataLoader``.

    Returns
    -------
    dict
        All of them.
    """
    if loader.get("num_workers") is None:
        loader["num_workers"] = workers_for(brain.device_type, brain.processes)
    if type(workers := loader["num_workers"]) is not int or workers < 0:
        raise InputError(f"loader: num_workers={workers}: give 0, 1, 2, ...")
    if brain.device_type == "cuda":
        loader.setdefault("pin_memory", True)
    if workers and stage != sb.Stage.TEST:
        # a worker that is not forked imports everything when it starts
        loader.setdefault("persistent_workers", True)
    if isinstance(dataset, IterableDataset):
        return loader
    if stage == sb.Stage.TRAIN:
        seed = random.Random(brain.seed).getrandbits(31)
        if not dynamic_batch:
            sampler = brain.make_sampler(dataset, seed)
            if brain.processes > 1:
                size = loader.get("batch_size") or 1
                drop_last = loader.get("drop_last", False)
                who = brain.rank, brain.processes
                sampler = DealtSampler(sampler, *who, size, drop_last)
            return {**loader, "sampler": sampler}
        if brain.balance:
            raise InputError(
                "balance: dynamic_batch has an order of its own: leave one out"
            )
        loader.pop("batch_size", None)
        loader["batch_sampler"] = dynamic_batches(
            dataset, dynamic_batch, seed, brain.processes
        )
    else:
        order = longest_first(dataset)
        if brain.distributed_launch and len(order) >= brain.processes:
            # SpeechBrain lets every process evaluate all clips
            order = order[brain.rank :: brain.processes]
        loader["sampler"] = order
    return loader


def steps_per_epoch(loader, factor):
    """How many steps the optimizer takes in an epoch.

    Arguments
    ---------
    loader : torch.utils.data.DataLoader
        Of the training clips.
    factor : int
        Batches of a step.

    Returns
    -------
    int
        At least 1.

    Example
    -------
    >>> steps_per_epoch(range(9), factor=2)
    4
    """
    if factor < 1:
        raise InputError(f"grad_accumulation_factor={factor}: give 1 or more")
    if len(loader) < factor:
        raise InputError(
            f"grad_accumulation_factor={factor} is more than the "
            f"{len(loader)} batches of an epoch: lower one or the batch_size"
        )
    return len(loader) // factor
