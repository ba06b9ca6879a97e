"""Measuring: subjects in turn, medians, memory of a process of its own."""

import ctypes
import gc
import statistics
import subprocess
import sys
import time

import torch
from tqdm import tqdm


def synchronise():
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(function):
    """How long one call takes."""
    synchronise()
    start = time.perf_counter()
    function()
    synchronise()
    return time.perf_counter() - start


def in_turn(functions, rounds, warm=1):
    """Median seconds of each function, all called in turn."""
    times = {name: [] for name in functions}
    every = tqdm(range(warm + rounds), desc="rounds", leave=False, disable=None)
    for number in every:
        for name, function in functions.items():
            took = seconds(function)
            if number >= warm:
                times[name].append(took)
    return {name: statistics.median(t) for name, t in times.items()}


class Product:
    """A large matrix product, to be timed in turn with what needs many.

    Its rate varies with the neighbours on the machine as theirs does.
    """

    def __init__(self, dtype, device, size):
        self.a, self.b = (
            torch.randn(size, size, dtype=dtype, device=device) for _ in "ab"
        )
        self.flops = 2 * size**3

    def __call__(self):
        """Multiply."""
        return self.a @ self.b


def step_flops(size, tokens, batch, blocks):
    """What a LoRA step needs: products forward, and back to block 1's input.

    Without the filterbank, the patches and the low-rank products, all below
    1 %. Nothing flows back through the projections of the first block.
    """
    rows = batch * tokens
    linear = 2 * rows * size**2 * 12  # qkv 3, out 1, feed-forward 8
    attention = 2 * batch * tokens**2 * size * 2
    back = blocks * (linear + 2 * attention) - linear // 4
    return blocks * (linear + attention) + back


def release():
    """Give freed memory back, so that one subject's is not another's."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif sys.platform.startswith("linux"):
        ctypes.CDLL(None).malloc_trim(0)


def elsewhere(arguments, environment=None):
    """The last line that a process of this benchmark prints, and its wall."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.child"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
    )
    wall = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1], wall
