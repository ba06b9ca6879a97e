"""What glibc is told, and when it is left alone."""

import ctypes
import platform
import subprocess
import sys

import pytest
import torch
from speechbrain_petl.training import allocator
from toy import toy_brain

glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="for glibc only"
)
FAULTS = """
import resource, runpy, sys
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
if sys.argv[2] != "leave":
    assert runpy.run_path(sys.argv[1])[sys.argv[2] + "_large_blocks"]()
def step():
    b"x" * 2**26  # 64 MB, freed at once
for _ in range(2):
    step()
before = faults()
for _ in range(20):
    step()
print(faults() - before)
"""


def faults(how):
    """Pages that 20 steps had mapped anew, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, allocator.__file__, how],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    return int(done.stdout)


@glibc
def test_blocks_are_kept():
    """Nothing is mapped again; as it comes, every step maps all."""
    most = 20 * 2**26 // 2**21  # if the kernel maps pages of 2 MB
    assert faults("leave") >= most > 10 * faults("keep")
    assert faults("return") >= most


class Libc:
    """Notes what it is told."""

    def __init__(self, refuses=()):
        self.told, self.refuses = [], refuses
        self.gnu_get_libc_version = None

    def mallopt(self, what, value):
        """1 for done, as in C."""
        self.told.append((what, value))
        return int(what not in self.refuses)


@pytest.fixture
def libc(monkeypatch):
    """A glibc that notes what it is told; no settings of the user's."""
    made = Libc()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: made)
    for name in (*allocator.SETTINGS, "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    return made


def test_both_thresholds(libc):
    """As high as an int can be: mallopt(3) of the man page."""
    assert allocator.keep_large_blocks()
    assert libc.told == [(-3, 2**31 - 1), (-1, 2**31 - 1)]


def test_returned(libc):
    """Mapped from a few megabytes on, which glibc then moves no more."""
    assert allocator.return_large_blocks()
    assert libc.told == [(-3, 2**22), (-1, 2**31 - 1)]


def test_an_older_glibc(libc):
    """Refuses so high a threshold: then no block is mapped at all."""
    libc.refuses = (allocator.M_MMAP_THRESHOLD,)
    assert allocator.keep_large_blocks()
    assert libc.told == [(-3, 2**31 - 1), (-4, 0), (-1, 2**31 - 1)]
    libc.refuses = (-1,)
    assert not allocator.keep_large_blocks()


@pytest.mark.parametrize(
    "name, value",
    [
        ("MALLOC_TRIM_THRESHOLD_", "1000"),
        ("MALLOC_MMAP_THRESHOLD_", "1000"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=1000"),
        ("GLIBC_TUNABLES", "a.b=1:glibc.malloc.trim_threshold=1000"),
    ],
)
def test_the_user_has_chosen(name, value, libc, monkeypatch):
    monkeypatch.setenv(name, value)
    assert not allocator.keep_large_blocks()
    assert not libc.told


def test_other_systems_are_left_alone(libc, monkeypatch):
    """Another C library, and no Linux."""
    del libc.gnu_get_libc_version
    assert not allocator.keep_large_blocks()
    libc.gnu_get_libc_version = None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not allocator.keep_large_blocks()
    assert not libc.told


@pytest.mark.parametrize("value", [False, "selective", True])
def test_a_brain_on_a_cpu_sets_it(value, tmp_path, monkeypatch):
    """A user who sets nothing gets it; who asks for small gets small."""
    calls = []
    for name in ("keep_large_blocks", "return_large_blocks"):
        monkeypatch.setattr(
            allocator, name, lambda name=name: calls.append(name)
        )
    monkeypatch.setattr(
        torch.nn.Module, "gradient_checkpointing", value, raising=False
    )
    toy_brain(tmp_path)
    expected = "return" if value is True else "keep"
    assert calls == [f"{expected}_large_blocks"]
