"""The jobs of a sweep on this machine: so many at a time, which share it."""

import os
from concurrent.futures import ThreadPoolExecutor, wait

from ...errors import InputError
from .job import POLL, Job


class LocalPool:
    """So many jobs at a time on this machine, which share it fairly.

    Arguments
    ---------
    slots : int
        How many jobs at a time.
    gpus : int, optional
        For each of them; by default one if there is any.
    on_cpu : bool
        Whether they leave GPUs alone.

    Example
    -------
    >>> LocalPool(slots=2, gpus=0).submit([])
    []
    """

    nodes = 1  # that a job has
    poll_seconds = 0.5
    job_class = Job

    def __init__(self, slots, gpus=None, on_cpu=False):
        from ...training.loaders import usable_cores

        self.visible = _visible_gpus()
        if (gpus or 0) > len(self.visible) and not on_cpu:
            raise InputError(
                f"--gpus={gpus}: this machine has {len(self.visible)}; add "
                "--device=cpu for as many processes on the CPU"
            )
        self.gpus = min(1, len(self.visible)) if gpus is None else gpus
        self.threads = max(1, usable_cores() // (slots * max(1, self.gpus)))
        self.free = list(range(slots))
        self.started = {}  # future -> its slot and job
        self.executor = ThreadPoolExecutor(slots)

    def submit(self, jobs):
        """Start as many of the jobs as there are free slots.

        Arguments
        ---------
        jobs : list of Job
            In the order in which to start them.

        Returns
        -------
        list of concurrent.futures.Future
            Of the first jobs; as many as were started.
        """
        futures = []
        for job in jobs[: len(self.free)]:
            slot = self.free.pop(0)
            job.env = {**self._environment(slot), **job.env}
            futures.append(self.executor.submit(job))
            self.started[futures[-1]] = slot, job
        return futures

    def _environment(self, slot):
        env = {"CUDA_VISIBLE_DEVICES": self._devices(slot)}
        if "OMP_NUM_THREADS" not in os.environ:
            env["OMP_NUM_THREADS"] = str(self.threads)
        return env

    def _devices(self, slot):
        """The slot's GPUs; slots have some in common if there are too few."""
        first = slot * self.gpus
        numbers = range(first, first + self.gpus) if self.visible else ()
        return ",".join(self.visible[n % len(self.visible)] for n in numbers)

    def is_running(self, future):
        """Whether a job that has not ended runs (bool); here all do."""
        return True

    def release(self, future):
        """Give the slot of a job that has ended to the next one."""
        self.free.append(self.started.pop(future)[0])

    def stop(self, futures):
        """End jobs, and wait until they are gone."""
        left = set(futures)
        while left:
            for future in left:  # again: one may just be starting
                self.started[future][1].stop()
            left = wait(left, timeout=POLL).not_done


def _visible_gpus():
    """As in CUDA_VISIBLE_DEVICES."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu for gpu in named.split(",") if gpu]
    import torch

    return [str(n) for n in range(torch.cuda.device_count())]
