"""One run of a recipe as a job: its log, its lock and what became of it.

Only the standard library at the top: a job of ``sweep`` is pickled with this
module's code, so that the process that waits for train.py stays small.
"""

import fcntl
import os
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

LOG, FAILED = "sweep.log", "sweep.failed"
LAST_LINES = 12  # of a log in a report
PATIENCE = 20  # seconds that train.py has to end after SIGTERM
SRUN_RANK = "SLURM_PROCID"  # which SpeechBrain takes for torchrun's
GRACE = 600  # seconds that Slurm may leave between a warning and the end


class RunFailed(RuntimeError):
    """train.py ended without a result; the message tells how."""


class Run:
    """A run that can be called again and again until its result is there.

    Whoever holds the log open owns the run: train.py inherits the lock on it,
    so that a run which outlives its sweep is waited for, not started twice.

    Arguments
    ---------
    command : list of str
        What to start.
    cwd : str
        Where to start it: the recipe's folder.
    folder : str
        The run's output folder.
    result : str
        The result.json that it is to write.
    env : dict, optional
        Environment variables that differ from this process's.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> result = folder / "result.json"
    >>> run = Run(["touch", str(result)], ".", folder, result)
    >>> run()
    >>> result.exists(), run.state()
    (True, 'done')
    """

    before_start = None  # called in the new process

    def __init__(self, command, cwd, folder, result, env=None):
        self.command = [str(word) for word in command]
        self.cwd, self.env = str(cwd), env or {}
        self.folder, self.result = Path(folder), Path(result)

    def __call__(self):
        """Run to the end, or raise ``RunFailed``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / LOG, "a", encoding="utf-8") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            if self.result.exists():
                return
            self.forget_failure()
            print(f"\n$ {shlex.join(self.command)}", file=log, flush=True)
            code = self._train(log)
        if self.result.exists():
            return
        reason = how_it_ended(code)
        if code >= 0:  # one that was killed goes on without being asked
            (self.folder / FAILED).write_text(reason, encoding="utf-8")
        raise RunFailed(reason)

    def _train(self, log):
        # a session of its own: Ctrl-C comes to us, and we stop it
        process = subprocess.Popen(
            self.command,
            cwd=self.cwd,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=self.before_start,
        )
        try:
            return process.wait()
        finally:
            _stop(process)

    def _environment(self):
        env = {**os.environ, **self.env}
        env.pop(SRUN_RANK, None)
        return env

    def state(self):
        """What became of the run.

        Returns
        -------
        str
            "done", "failed", or "open" if it was never started, is running,
            or was killed.
        """
        if self.result.exists():
            return "done"
        return "failed" if (self.folder / FAILED).exists() else "open"

    def reason(self):
        """Why there is no result.

        Returns
        -------
        str
            Such as "exit code 1".
        """
        path = self.folder / FAILED
        if path.is_file():
            return path.read_text(encoding="utf-8")
        return "killed, or never started"

    def forget_failure(self):
        """Make a failed run open again."""
        (self.folder / FAILED).unlink(missing_ok=True)

    def last_lines(self, count=LAST_LINES):
        """The end of the run's log.

        Arguments
        ---------
        count : int
            How many lines.

        Returns
        -------
        list of str
            What the run wrote last.
        """
        path = self.folder / LOG
        if not path.is_file():
            return []
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = [line.rstrip() for line in text.splitlines()]
        return [line for line in lines if line][-count:]


class Job(Run):
    """A run in a process of submitit's, which may be told to stop.

    Slurm signals all processes of a job. SIGTERM is a warning there, that
    SIGUSR2 (submitit queues the run again) or SIGKILL will follow; elsewhere
    it is as Ctrl-C.

    Arguments
    ---------
    *args : tuple
        As for ``Run``.
    **kwargs : dict
        As for ``Run``.
    """

    def __call__(self):
        """Run to the end, or raise ``RunFailed``."""
        signal_once(signal.SIGINT)
        self.warned = False
        if os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
            signal.signal(signal.SIGTERM, self._note)
        else:
            signal_once(signal.SIGTERM)
        super().__call__()

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
        """What submitit queues again after a preemption: the same run.

        Returns
        -------
        submitit.helpers.DelayedSubmission
            It goes on from train.py's last checkpoint.
        """
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def how_it_ended(code):
    """An exit code in words.

    Arguments
    ---------
    code : int
        As of ``subprocess``: negative for a signal.

    Returns
    -------
    str
        The words.

    Example
    -------
    >>> how_it_ended(1), how_it_ended(-9)
    ('exit code 1', 'killed by SIGKILL')
    """
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}" + ("" if code else ", but no result")


def signal_once(number):
    """Let the first signal raise KeyboardInterrupt, and no later one.

    Arguments
    ---------
    number : signal.Signals
        SIGINT or SIGTERM.
    """

    def _first(signum, frame):
        signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(number, _first)


@contextmanager
def stopped_once():
    """Let the first Ctrl-C or kill of a block raise KeyboardInterrupt.

    Yields
    ------
    None
    """
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.getsignal(number) for number in numbers]
    for number in numbers:
        signal_once(number)
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def _stop(process):
    """End train.py and, through torchrun, all its processes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
