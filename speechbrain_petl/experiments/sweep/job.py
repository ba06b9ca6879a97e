"""A run of train.py as a job: its log, its lock and what became of it.

Only the standard library at the top: a job is pickled with this module's code
for Slurm, so that the process there that waits for train.py stays small.
"""

import os
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

from .ending import end_tree

LOG, FAILED = "sweep.log", "sweep.failed"
LAST_LINES = 12  # of a log in a report
POLL = 0.2  # seconds between looks at a lock
SRUN_RANK = "SLURM_PROCID"  # which SpeechBrain takes for torchrun's


class JobFailed(RuntimeError):
    """train.py ended without a result; the message tells how."""


class Job:
    """One run, which can be called again and again until its result is there.

    Whoever holds the log locked owns the run: train.py inherits the lock (but
    on Windows), so that a run which outlives its sweep is waited for, not
    started twice.

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
    >>> job = Job(["touch", str(result)], ".", folder, result)
    >>> job()
    >>> result.exists(), job.state()
    (True, 'done')
    """

    before_start = None  # called in the new process
    process = None
    stopped = False
    lacks = ""  # what it cannot start without

    def __init__(self, command, cwd, folder, result, env=None):
        self.command = [str(word) for word in command]
        self.cwd, self.env = str(cwd), env or {}
        self.folder, self.result = Path(folder), Path(result)

    def __call__(self):
        """Run to the end, or raise ``JobFailed``."""
        with self._log() as log:
            with self._lock(log):
                if self.result.exists():
                    return
                self.forget_failure()
                print(f"\n$ {shlex.join(self.words())}", file=log, flush=True)
                code = self._train(log)
        if self.result.exists():
            return
        reason = _how_it_ended(code)
        if code >= 0 and not self.stopped:  # what was killed just goes on
            (self.folder / FAILED).write_text(reason, encoding="utf-8")
        raise JobFailed(reason)

    def _log(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return open(self.folder / LOG, "a", encoding="utf-8")
        except OSError as error:
            where = error.filename or self.folder
            self.lacks = f"{where} cannot be written: {error.strerror}"
            raise

    @contextmanager
    def _lock(self, log):
        """Wait for who owns the run, then own it."""
        while (lock := try_lock(log)) is None:
            if self.stopped:
                raise JobFailed("stopped before it began")
            time.sleep(POLL)
        with lock:
            yield

    def _train(self, log):
        if self.stopped:
            return 0
        # a session of its own: Ctrl-C comes to us, and we stop it
        self.process = subprocess.Popen(
            self.words(),
            cwd=self.cwd,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=self.before_start,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        try:
            return self.process.wait()
        except KeyboardInterrupt:
            self.stop()
            raise

    def words(self):
        """The command as it is started, list of str."""
        return self.command

    def _environment(self):
        env = {**os.environ, **self.env}
        env.pop(SRUN_RANK, None)
        return env

    def stop(self):
        """End train.py, from another thread too; the run stays open."""
        self.stopped = True
        if self.process is not None:
            end_tree(self.process)

    def state(self):
        """What became of the run.

        Returns
        -------
        str
            "done", "failed", or "open": never started, running, or killed.
        """
        if self.result.exists():
            return "done"
        return "failed" if (self.folder / FAILED).exists() else "open"

    def reason(self):
        """Why there is no result, such as "exit code 1" (str)."""
        path = self.folder / FAILED
        if path.is_file():
            return path.read_text(encoding="utf-8")
        return self.lacks or "killed, or never started"

    def forget_failure(self):
        """Make a failed run open again."""
        (self.folder / FAILED).unlink(missing_ok=True)

    def last_lines(self, count=LAST_LINES):
        """What the run wrote last (list of str)."""
        path = self.folder / LOG
        if not path.is_file():
            return []
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = [line.rstrip() for line in text.splitlines()]
        return [line for line in lines if line][-count:]


def _how_it_ended(code):
    """An exit code of ``subprocess``, negative for a signal, in words.

    >>> _how_it_ended(1), _how_it_ended(-15)
    ('exit code 1', 'killed by SIGTERM')
    """
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}" + ("" if code else ", but no result")


def try_lock(log):
    """Lock an open file for this process and those that inherit the file.

    Arguments
    ---------
    log : file
        As ``open`` returns it.

    Returns
    -------
    context manager
        Within it the lock is held; None if another process holds it.

    Example
    -------
    >>> path = getfixture("tmp_path") / "log"
    >>> with open(path, "a") as one, open(path, "a") as other:
    ...     with try_lock(one):
    ...         print(try_lock(other))
    None
    """
    try:
        import fcntl
    except ImportError:  # Windows: a lock of this process alone
        from filelock import FileLock, Timeout

        try:
            return FileLock(f"{log.name}.lock").acquire(timeout=0)
        except Timeout:
            return None
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return nullcontext()  # until all who have the file open have closed it
