"""A job in a process of submitit's on Slurm, which may be queued again.

Only the standard library at the top, see ``job.py``.
"""

import os
import signal
import time

from .ending import signal_once
from .job import LOG, Job

GRACE = 600  # seconds that Slurm may leave between a warning and the end
# options of torchrun whose values only a node knows
OF_A_NODE = ("--node_rank", "--master_addr", "--master_port")


class RequeuedJob(Job):
    """A run that Slurm may stop, and start again; arguments as for ``Job``.

    Slurm signals all processes of a job. SIGTERM is a warning that SIGUSR2
    (submitit queues the run again) or SIGKILL will follow.
    """

    def __call__(self):
        """Run to the end, or raise ``JobFailed``."""
        signal_once(signal.SIGINT)
        self.warned = False
        signal.signal(signal.SIGTERM, self._note)
        if int(os.environ.get("SLURM_NODEID", 0)) == 0:
            return super().__call__()
        # the first node has the lock and writes the result
        with open(self.folder / LOG, "a", encoding="utf-8") as log:
            self._train(log)

    def words(self):
        """The command; one for several nodes, with the way to the first."""
        if OF_A_NODE[0] not in self.command:
            return self.command
        from submitit.helpers import TorchDistributedEnvironment

        node = TorchDistributedEnvironment()
        values = node.rank, node.master_addr, node.master_port
        known = dict(zip(OF_A_NODE, values))
        return [f"{w}={known[w]}" if w in known else w for w in self.command]

    def _note(self, signum, frame):
        self.warned = True

    def _train(self, log):
        code = super()._train(log)
        if self.warned and not self.result.exists():
            print("stopped by Slurm", file=log, flush=True)
            time.sleep(GRACE)  # until the signal that it warned of
        return code

    @staticmethod
    def before_start():
        """Let train.py ignore the signal that submitit answers."""
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def checkpoint(self):
        """What submitit queues again: the same run goes on from its checkpoint."""
        from submitit.helpers import DelayedSubmission

        self.process = None  # cannot be pickled, and is gone
        return DelayedSubmission(self)
