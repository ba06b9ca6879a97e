"""kill -9, and the same command again: the run that was never broken."""

import signal

import killed
import pytest
import torch
from processes import start
from running import arguments, load_train, run, run_elsewhere, weights_of

EVERY_STEP = ["--ckpt_interval_steps=1"]
STEPS = 8  # in an epoch of 30 clips in batches of 4
FILES = 5  # that torch.save writes into a checkpoint


def train_counting(argv, monkeypatch):
    """Run ESC-50's main; its result and how many steps it took."""
    train, steps = load_train(), []
    fit_batch = train.ESC50Brain.fit_batch

    def counted(self, batch):
        steps.append(batch.id)
        return fit_batch(self, batch)

    monkeypatch.setattr(train.ESC50Brain, "fit_batch", counted, raising=False)
    return train.main(argv), len(steps)


def killed_apart(where, number, argv):
    """As killed.py, without importing everything again."""
    process = start(killed.main, [where, str(number), *argv])
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def assert_same_run(first, second):
    """Metrics of every epoch and of the test, and all learned weights."""
    (result, output), (other_result, other_output) = first, second
    for key in ("metrics", "history", "tested_epoch"):
        assert result[key] == other_result[key], key
    weights, others = weights_of(output), weights_of(other_output)
    assert weights.keys() == others.keys() and len(weights) > 4
    for name, value in weights.items():
        assert torch.equal(value, others[name]), name


@pytest.fixture(scope="module")
def unbroken(esc50, tmp_path_factory):
    """Runs that nobody kills: (result, output folder), made once."""
    made = {}

    def run_once(*options, **which):
        key = str((options, which))
        if key not in made:
            output = tmp_path_factory.mktemp("whole")
            made[key] = run(esc50, output, *options, **which), output
        return made[key]

    return run_once


def slow(*values):
    """Parameters that are tried with the slow tests."""
    return pytest.param(*values, marks=pytest.mark.slow)


def test_killed_in_mid_epoch(esc50, unbroken, tmp_path, monkeypatch):
    """In a process of its own, before the fourth step of the second epoch."""
    output = tmp_path / "broken"
    argv = arguments(esc50, output, *EVERY_STEP)
    program = killed.__file__
    done = run_elsewhere(["step", str(STEPS + 4), *argv], program)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (output / "result.json").exists()
    result, steps = train_counting(argv, monkeypatch)
    assert steps == STEPS - 3
    assert_same_run((result, output), unbroken(*EVERY_STEP))
    assert 0 < result["seconds"] < 60


@pytest.mark.parametrize(
    "where, number, left, options",
    [
        # before the first step: from the start
        slow("step", 1, 2 * STEPS, []),
        # the first step of the second epoch: the end of the first
        ("step", STEPS + 1, STEPS, []),
        # no checkpoint but the epochs': the epoch again
        slow("step", STEPS + 4, STEPS, ["--ckpt_interval_steps=0"]),
        # no validation, so that the epoch ends with training
        slow("step", 10 + 1, 10, ["--protocol=4-1"]),
        slow("step", 10 + 4, 10 - 3, ["--protocol=4-1"]),
        # between two batches of one step: from before the first of them
        ("step", STEPS + 4, STEPS - 2, ["--grad_accumulation_factor=2"]),
        # while it writes the second, or the last, file of a checkpoint: from
        # the one before
        ("save", FILES * (STEPS + 4) + 2, STEPS - 3, []),
        slow("save", FILES * (STEPS + 4), STEPS - 2, []),
        # while it writes the one of the first epoch's end: no step is lost
        slow("save", FILES * STEPS + 2, STEPS, []),
    ],
)
def test_killed_elsewhere(
    esc50, unbroken, tmp_path, monkeypatch, where, number, left, options
):
    output = tmp_path / "broken"
    argv = arguments(esc50, output, *EVERY_STEP, *options)
    killed_apart(where, number, argv)
    result, steps = train_counting(argv, monkeypatch)
    assert steps == left
    assert_same_run((result, output), unbroken(*EVERY_STEP, *options))


@pytest.mark.slow
def test_killed_again_and_again(esc50, unbroken, tmp_path, monkeypatch):
    """BatchNorm statistics and dropout are the unbroken run's too."""
    options = [*EVERY_STEP, "--encoder={dropout: 0.1, patch_dropout: 0.1}"]
    which = {"method": "conformer"}
    output = tmp_path / "broken"
    argv = arguments(esc50, output, *options, **which)
    for _ in range(4):
        killed_apart("step", 4, argv)
    result, _ = train_counting(argv, monkeypatch)
    assert_same_run((result, output), unbroken(*options, **which))
