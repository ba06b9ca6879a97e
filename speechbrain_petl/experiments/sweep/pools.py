"""Where the jobs of a sweep run: on this machine or as a Slurm array.

Both through submitit (https://github.com/facebookincubator/submitit).
"""

import os
from contextlib import contextmanager

import cloudpickle
import torch
from submitit import AutoExecutor, SlurmJob

from ...errors import InputError
from . import jobs

SLURM_JOB = "slurm.job"  # in a run's folder: the number of its last job
FOREVER = 60 * 24 * 365  # minutes: a job of this machine has no limit
REQUEUES = 30  # times that Slurm may queue a run again at its time limit


class LocalPool:
    """So many jobs at a time on this machine, which share it fairly.

    Arguments
    ---------
    folder : str
        For submitit's files.
    slots : int
        How many jobs at a time.
    gpus : int, optional
        For each of them; by default one if there is any.
    """

    poll_seconds = 0.5

    def __init__(self, folder, slots, gpus=None):
        self.visible = visible_gpus()
        self.gpus = min(1, len(self.visible)) if gpus is None else gpus
        processes = slots * max(1, self.gpus)
        self.threads = max(1, len(os.sched_getaffinity(0)) // processes)
        self.free = list(range(slots))
        self.slot_of = {}
        self.folder = folder
        self.executor = _executor(folder, "local", timeout_min=FOREVER)

    def submit(self, runs):
        """Start as many of the runs as there are free slots.

        Arguments
        ---------
        runs : list of jobs.Job
            In the order in which to start them.

        Returns
        -------
        list of submitit.Job
            Of the first runs; as many as were started.
        """
        started = []
        for run in runs[: len(self.free)]:
            slot = self.free.pop(0)
            run.env = {**self._share(slot), **run.env}
            with _errors_to(os.path.join(self.folder, "submitit.log")):
                job = self.executor.submit(run)
            self.slot_of[job.job_id] = slot
            started.append(job)
        return started

    def _share(self, slot):
        share = {"CUDA_VISIBLE_DEVICES": self._devices(slot)}
        if "OMP_NUM_THREADS" not in os.environ:
            share["OMP_NUM_THREADS"] = str(self.threads)
        return share

    def _devices(self, slot):
        """The slot's GPUs; slots share them if there are too few."""
        first = slot * self.gpus
        numbers = range(first, first + self.gpus) if self.visible else ()
        return ",".join(self.visible[n % len(self.visible)] for n in numbers)

    def is_running(self, job):
        """Whether a job that has not ended runs; here all do.

        Arguments
        ---------
        job : submitit.Job
            As returned by ``submit``.

        Returns
        -------
        bool
            True.
        """
        return True

    def release(self, job):
        """Give the slot of a job that has ended to the next one.

        Arguments
        ---------
        job : submitit.Job
            As returned by ``submit``.
        """
        self.free.append(self.slot_of.pop(job.job_id))

    def stop(self, started):
        """End jobs, and wait until they are gone.

        Arguments
        ---------
        started : iterable of submitit.Job
            As returned by ``submit``.
        """
        for job in started:
            job.cancel()
        for job in started:
            job.wait()


class SlurmPool:
    """One array of jobs on a Slurm cluster, some of them at a time.

    Arguments
    ---------
    folder : str
        For submitit's files; on a file system that the nodes share.
    slots : int
        How many jobs of the array at a time.
    minutes : int
        Time limit; a run that reaches it is queued again and goes on.
    gpus : int, optional
        For each job, by default one.
    **options : dict
        sbatch's, such as partition, cpus_per_task, account, mem.
    """

    poll_seconds = 5

    def __init__(self, folder, slots, minutes, gpus=None, **options):
        self.gpus = 1 if gpus is None else gpus
        self.folder = folder
        named = {f"slurm_{key}": value for key, value in options.items()}
        try:
            self.executor = _executor(
                folder,
                "slurm",
                slurm_array_parallelism=slots,
                slurm_time=minutes,
                slurm_gpus_per_node=self.gpus or None,
                slurm_job_name="sweep",
                **named,
            )
        except RuntimeError as error:
            raise InputError(f"--executor=slurm: {error}")
        except (NameError, ValueError) as error:
            raise InputError(f"--slurm: {str(error).splitlines()[0]}")

    def submit(self, runs):
        """Put all runs into one array, but those that a job waits for already.

        Arguments
        ---------
        runs : list of jobs.Job
            All of them.

        Returns
        -------
        list of submitit.Job
            Of each.
        """
        found = [self._still_queued(run) for run in runs]
        new = [run for run, job in zip(runs, found) if job is None]
        submitted = iter(self.executor.submit_array(new) if new else ())
        array = [next(submitted) if job is None else job for job in found]
        for run, job in zip(runs, array):
            run.folder.mkdir(parents=True, exist_ok=True)
            (run.folder / SLURM_JOB).write_text(job.job_id, encoding="utf-8")
        return array

    def _still_queued(self, run):
        """The job of an earlier sweep that was left to itself."""
        note = run.folder / SLURM_JOB
        if not note.is_file():
            return None
        job = SlurmJob(self.folder, note.read_text(encoding="utf-8"))
        over = job.done(force_check=True) or job.state == "UNKNOWN"
        return None if over else job

    def is_running(self, job):
        """Whether a job that has not ended runs, or waits in the queue.

        Arguments
        ---------
        job : submitit.Job
            As returned by ``submit``.

        Returns
        -------
        bool
            True if it runs.
        """
        return job.state in ("RUNNING", "COMPLETING")

    def release(self, job):
        """Nothing to do: Slurm gives the slots.

        Arguments
        ---------
        job : submitit.Job
            As returned by ``submit``.
        """

    def stop(self, started):
        """Cancel jobs.

        Arguments
        ---------
        started : iterable of submitit.Job
            As returned by ``submit``.
        """
        for job in started:
            job.cancel(check=False)


def visible_gpus():
    """The GPUs that this process may use.

    Returns
    -------
    list of str
        As in CUDA_VISIBLE_DEVICES.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu for gpu in named.split(",") if gpu]
    return [str(n) for n in range(torch.cuda.device_count())]


def _executor(folder, cluster, **parameters):
    # with our code inside, a job need not import torch to wait for train.py
    cloudpickle.register_pickle_by_value(jobs)
    executor = AutoExecutor(
        folder, cluster=cluster, slurm_max_num_timeout=REQUEUES
    )
    executor.update_parameters(**parameters)
    return executor


@contextmanager
def _errors_to(path):
    """Let the processes that start meanwhile write their errors to a file.

    A controller of submitit's answers Ctrl-C with a traceback.
    """
    terminal = os.dup(2)
    with open(path, "a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
