"""The jobs of a sweep as an array on Slurm, through submitit.

https://github.com/facebookincubator/submitit
"""

import cloudpickle
import submitit

from ...errors import InputError
from . import (
    ending,
    job as base,
    requeued,
)

NUMBER = "slurm.job"  # in a run's folder: the number of its last job
REQUEUES = 30  # times that Slurm may queue a run again at its time limit


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
        For each job, by default one; on each of its nodes.
    nodes : int
        For each job.
    **options : dict
        sbatch's, such as partition, cpus_per_task, account, mem.
    """

    poll_seconds = 5
    job_class = requeued.RequeuedJob

    def __init__(self, folder, slots, minutes, gpus=None, nodes=1, **options):
        self.gpus, self.nodes = 1 if gpus is None else gpus, nodes
        self.folder = folder
        named = {f"slurm_{key}": value for key, value in options.items()}
        try:
            self.executor = _executor(
                folder,
                slurm_array_parallelism=slots,
                slurm_time=minutes,
                slurm_gpus_per_node=self.gpus or None,
                slurm_nodes=nodes,
                slurm_ntasks_per_node=1,
                slurm_job_name="sweep",
                **named,
            )
        except RuntimeError as error:
            raise InputError(f"--executor=slurm: {error}")
        except (NameError, ValueError) as error:
            raise InputError(f"--slurm: {str(error).splitlines()[0]}")

    def submit(self, jobs):
        """Put all jobs into one array, but those that are queued already."""
        found = [self._still_queued(job) for job in jobs]
        new = [job for job, queued in zip(jobs, found) if queued is None]
        submitted = iter(self.executor.submit_array(new) if new else ())
        array = [next(submitted) if one is None else one for one in found]
        for job, queued in zip(jobs, array):
            job.folder.mkdir(parents=True, exist_ok=True)
            number = queued.job_id
            (job.folder / NUMBER).write_text(number, encoding="utf-8")
        return array

    def _still_queued(self, job):
        """Of an earlier sweep that was left to itself."""
        note = job.folder / NUMBER
        if not note.is_file():
            return None
        number = note.read_text(encoding="utf-8")
        queued = submitit.SlurmJob(self.folder, number)
        over = queued.done(force_check=True) or queued.state == "UNKNOWN"
        return None if over else queued

    def is_running(self, queued):
        """Whether a job that has not ended runs, or waits in the queue."""
        return queued.state in ("RUNNING", "COMPLETING")

    def release(self, queued):
        """Nothing to do: Slurm gives the slots."""

    def stop(self, array):
        """Cancel jobs."""
        for queued in array:
            queued.cancel(check=False)


def _executor(folder, **parameters):
    # with our code inside, a job need not import torch to wait for train.py
    for module in (ending, base, requeued):
        cloudpickle.register_pickle_by_value(module)
    executor = submitit.AutoExecutor(
        folder, cluster="slurm", slurm_max_num_timeout=REQUEUES
    )
    executor.update_parameters(**parameters)
    return executor
