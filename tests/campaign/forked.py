"""A command as a user runs it, in a fork of this process: seconds, not minutes.

All that it imports has been imported before. What differs from a process of
its own is start-up alone, and a sample of the inputs is run as one.
"""

import contextlib
import importlib
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import speechbrain_petl
from running import ROOT, load_train
from speechbrain_petl import __main__ as sbpetl
from speechbrain_petl.recipe.main import run_main

# the rooms, and what they import where they use it
LIBRARIES = (
    "pandas",
    "sklearn.manifold",
    "optuna",
    "psutil",
    "matplotlib.figure",
)
MEMORY = 12 << 30  # bytes that a command may ask for
ESCAPES = "Traceback (most recent call last)"


@dataclass
class Ended:
    """How a command ended: exit code (minus a signal), and what it printed."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def traceback(self):
        """Whether it printed one, anywhere."""
        return ESCAPES in self.out + self.err

    @property
    def lines(self):
        """The lines of standard error, but progress bars."""
        text = self.err.replace("\r", "\n").splitlines()
        bars = ("it/s]", "s/it]", "?it/s", "?file/s", "?clip/s")
        return [x for x in text if x.strip() and not any(b in x for b in bars)]

    def summary(self):
        """The end of what it printed, in a line."""
        text = (self.err.strip() or self.out.strip()).splitlines()
        return f"rc {self.code}: {text[-1][:300] if text else ''}"


def import_all():
    """All that a fork would import by itself, for seconds."""
    for _, name, _ in pkgutil.walk_packages(
        speechbrain_petl.__path__, "speechbrain_petl."
    ):
        importlib.import_module(name)
    for name in LIBRARIES:
        importlib.import_module(name)


def train_command(argv, recipe=ROOT / "recipes/ESC50", script="train.py"):
    """What ``python train.py ARGV`` does."""

    def program():
        sys.argv = [script, *argv]
        run_main(load_train(recipe, script).main)

    return program


def sbpetl_command(argv):
    """What ``sbpetl ARGV`` does."""

    def program():
        sys.argv = ["sbpetl", *argv]
        sbpetl.main()

    return program


def run_forked(program, timeout=120, cwd=None, before=None, after=None):
    """Run a program in a fork.

    before is called in the fork; after, with its id, in this process. One
    that takes longer than so many seconds is killed, and its children.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_a_process(program, out, err, cwd, before)
        if after:
            after(child)
        code = _wait(child, started + timeout)
        seconds = time.monotonic() - started
        texts = [p.read_text(errors="replace") for p in (out, err)]
    return Ended(code, *texts, seconds)


def _wait(child, until):
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _end_group(child)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    _end_group(child)
    os.waitpid(child, 0)
    return -signal.SIGALRM  # endless


def _end_group(child):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _be_a_process(program, out, err, cwd, before):
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        _redirect(out, err)
        os.chdir(cwd or "/")
        if before:
            before()
        program()
        sys.stdout.flush()  # to a pipe that is closed, a disk that is full
        code = 0
    except SystemExit as stop:
        code = _code_of(stop)
    except BaseException:
        kind, value, trace = sys.exc_info()
        try:
            sys.excepthook(kind, value, trace)
        except BaseException:
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


def _redirect(out, err):
    for number, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)
    sys.excepthook = sys.__excepthook__


def _code_of(stop):
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1


def run_process(argv, timeout=120, cwd=None):
    """The same as a real process: ``python ARGV``."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    environment["PYTHONPATH"] += os.pathsep + str(ROOT)
    done = subprocess.run(
        [sys.executable, *argv],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        env=environment,
    )
    seconds = time.monotonic() - started
    return Ended(done.returncode, done.stdout, done.stderr, seconds)
