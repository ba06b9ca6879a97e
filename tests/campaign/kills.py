"""SIGKILL at random times and file operations, then the same command again."""

import os
import random
import shutil
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import torch
from layouts import make_esc50
from running import arguments

from .forked import run_forked, train_command
from .outcomes import differences, outcome

METHODS = ("lora", "conformer")
OPTIONS = ["--ckpt_interval_steps=2", "--esc10=True"]
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
TRIES = 6  # kills in one run, at most


def die_at_operation(number, folder, delay):
    """A function that arms this process: it dies at its n-th file operation.

    With a delay (seconds), so long after it, in the midst of what follows.
    """
    folder, counted = str(folder), []

    def die():
        if delay:
            signal.setitimer(signal.ITIMER_REAL, delay)  # unhandled: it ends
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    def count(event, arguments):
        writes = event == "open" and (arguments[2] or 0) & WRITES
        if not (writes or event in EVENTS):
            return
        if any(str(a).startswith(folder) for a in arguments[:2]):
            counted.append(event)
            if len(counted) == number:
                die()

    def arm():
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        sys.addaudithook(count)
        torch.save = _half_at(number, counted, torch.save)

    return arm


def _half_at(number, counted, save):
    """torch.save opens files by itself: it counts, and leaves half a file."""

    def counted_save(what, path, *args, **kwargs):
        counted.append("torch.save")
        if len(counted) == number:
            save(what, path, *args, **kwargs)
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        save(what, path, *args, **kwargs)

    return counted_save


def _kill_after(seconds):
    def start(child):
        def kill():
            time.sleep(seconds)
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                return

        threading.Thread(target=kill, daemon=True).start()

    return start


def one_round(number, data, folder, method, want, seconds):
    """A run killed once or more often, then left to end: what is wrong."""
    rng = random.Random(number)
    output = Path(folder) / f"round{number}"
    command = train_command(arguments(data, output, *OPTIONS, method=method))
    kills = []
    for _ in range(rng.randint(1, TRIES)):
        if rng.random() < 0.5:
            when = rng.uniform(0.2, 1.0) * seconds
            kills.append(f"after {when:.2f} s")
            ended = run_forked(command, after=_kill_after(when))
        else:
            at, delay = rng.randint(1, 90), rng.choice([0, 0, 1e-4, 1e-3])
            kills.append(f"operation {at} + {delay} s")
            arm = die_at_operation(at, output, delay)
            ended = run_forked(command, before=arm)
        if ended.code >= 0:
            break
    killed = f"killed {', '.join(kills)}"
    if ended.code > 0:
        return [killed, ended.summary()]
    last = run_forked(command)
    if last.code:
        return [killed, f"at the end {last.summary()}", last.out[-2000:]]
    other = differences(want, outcome(output))
    shutil.rmtree(output)
    return [killed, f"other {', '.join(other)}"] if other else []


def campaign(folder, journal, rounds=100):
    """So many rounds."""
    data, undisturbed = make_esc50(Path(folder) / "data"), {}
    for method in METHODS:
        output = Path(folder) / method
        argv = arguments(data, output, *OPTIONS, method=method)
        ended = run_forked(train_command(argv))
        if ended.code:
            raise RuntimeError(f"the undisturbed run: {ended.err or ended.out}")
        undisturbed[method] = outcome(output), ended.seconds
    for number in range(rounds):
        method = METHODS[number % len(METHODS)]
        attempt = partial(
            one_round, number, data, folder, method, *undisturbed[method]
        )
        journal.case(f"killed, {method}", f"round {number}", attempt)
