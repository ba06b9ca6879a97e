"""A machine that lets one down: one line, and the same command goes on."""

import errno
import os
import resource
import sys

import pytest
from running import arguments, result_of, run, run_elsewhere
from speechbrain_petl.recipe.main import run_main

GOES_ON = "the same command goes on from it"


@pytest.mark.parametrize(
    "number, words",
    [
        (errno.ENOSPC, "error: a.ckpt: No space left on device. Make room"),
        (errno.EDQUOT, "error: a.ckpt: Disk quota exceeded. Make room"),
        (errno.EROFS, "error: a.ckpt: Read-only file system. Choose another"),
        (errno.EACCES, "error: a.ckpt: Permission denied. Choose another"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, number, words):
    def main(argv):
        raise OSError(number, os.strerror(number), "a.ckpt")

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as stop:
        run_main(main)
    assert stop.value.code.startswith(words)
    assert GOES_ON in stop.value.code and "\n" not in stop.value.code


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "No such file"), RuntimeError("mismatch")]
)
def test_an_error_of_the_code_is_none_of_the_system(monkeypatch, error):
    def main(argv):
        raise error

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(type(error)) as kept:
        run_main(main)
    assert kept.value is error


def test_files_may_not_grow(esc50, tmp_path):
    """As ``ulimit -f``; log.txt hits the limit, too."""
    argv = arguments(esc50, tmp_path / "run", "--ckpt_interval_steps=1")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    done = run_elsewhere(argv, preexec_fn=limit)
    assert done.returncode == 1
    lines = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert len(lines) == 1 and GOES_ON in lines[0]
    assert "Traceback" not in done.stderr + done.stdout
    run(esc50, tmp_path / "run", "--ckpt_interval_steps=1")
    assert result_of(tmp_path / "run")["tested_epoch"]
