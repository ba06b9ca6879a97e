"""A sweep as a Slurm array, on a Slurm that a file of these tests plays."""

import os
import re
import signal
from pathlib import Path

import fake_slurm
import pytest
from speechbrain_petl.experiments.sweep import slurm
from test_sweep import (
    folders,
    in_a_fork,
    log,
    refusal,
    result,
    run,
    running,
    wait_for,
)
from toy_recipe import make_recipe

SLURM = ["--executor=slurm", "--folds=1,2", "--methods=lora"]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A light recipe, on a machine with the commands of Slurm."""
    commands = fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm.SlurmPool, "poll_seconds", 0.1)
    return make_recipe(tmp_path / "recipe", ["lora", "broken"])


def scripts(recipe):
    """What was given to sbatch."""
    found = sorted((recipe.parent / "slurm" / "state").glob("*.sh"))
    return [path.read_text() for path in found]


def test_an_array(recipe, capsys):
    more = ["--jobs=7", "--partition=gpu", "--time=90", "--cpus=4"]
    more.append("--gpus=1")
    run(recipe, *SLURM, *more, "--slurm=account=me", "--device=cuda:0")
    assert folders(recipe) == ["lora/fold1_seed1", "lora/fold2_seed1"]
    assert "2 of 2 runs are done, 0 failed" in capsys.readouterr().out
    # SpeechBrain would take srun for torchrun
    assert result(recipe, "lora/fold1_seed1")["launched by"] == []
    (script,) = scripts(recipe)
    for flag in (
        *("partition=gpu", "time=90", "cpus-per-task=4", "account=me"),
        *("array=0-1%2", "gpus-per-node=1", "signal=USR2@90"),
    ):
        assert f"#SBATCH --{flag}\n" in script.replace("'", "")
    assert "--device=cuda:0" in log(recipe, "lora/fold2_seed1")


def test_wrong_options_of_slurm(recipe):
    message = refusal(recipe, *SLURM, "--slurm=partitoin=gpu")
    assert re.search("--slurm: .*partitoin", message)


@pytest.mark.slow
def test_failed(recipe, capsys):
    run(recipe, "--executor=slurm", code=1)
    out = capsys.readouterr().out
    assert "1 of 2 runs are done, 1 failed" in out
    assert "broken: exit code 1" in out and "this method is broken" in out


@pytest.mark.slow
def test_preempted(recipe):
    """Slurm warns all processes of the job, submitit queues it again."""
    process = in_a_fork(recipe, *SLURM, "--pause=1")
    wait_for(lambda: len(list(recipe.rglob("steps/0"))) == 2)
    for pid, line in running(recipe):
        if "train.py" in line or "submitit.core" in line:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGUSR2)
    process.join(60)
    assert process.exitcode == 0
    assert len(scripts(recipe)) == 1
    for fold in (1, 2):
        text = log(recipe, f"lora/fold{fold}_seed1")
        assert text.count("step 0") == 1 and text.count("$ ") == 2


def on_two_nodes(recipe, pause):
    """In a process of its own."""
    more = "--nodes=2", "--gpus=0", "--device=cpu", f"--pause={pause}"
    return in_a_fork(recipe, *SLURM[:1], "--folds=1", "--methods=lora", *more)


@pytest.mark.slow
def test_a_run_on_two_nodes(recipe):
    """They find each other; preempted and queued again, they do so again."""
    process = on_two_nodes(recipe, pause=1)
    wait_for(lambda: list(recipe.rglob("steps/0")), seconds=120)
    for pid, line in running(recipe):
        if "train.py" in line or "submitit.core" in line:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGUSR2)
    process.join(90)
    assert process.exitcode == 0
    (script,) = scripts(recipe)
    assert "#SBATCH --nodes=2\n" in script
    text = log(recipe, "lora/fold1_seed1")
    assert text.count("step 0") == 1 and text.count("$ ") == 2
    assert text.count("--node_rank=0 --master_addr=localhost") == 2
    assert result(recipe, "lora/fold1_seed1")["processes"] == "2"


@pytest.mark.parametrize(
    "option", ["nodes=2", "partition=a", "time=5", "cpus=2", "slurm=account=me"]
)
def test_what_is_slurms_is_refused_here(recipe, option):
    assert "add --executor=slurm" in refusal(recipe, f"--{option}")


@pytest.mark.slow
def test_a_sweep_that_was_left_is_joined(recipe):
    """The array goes on without it, and is not submitted twice."""
    process = in_a_fork(recipe, *SLURM, "--jobs=1", "--pause=1")
    wait_for(lambda: list(recipe.rglob("steps/0")))
    wait_for(lambda: len(list(recipe.rglob("slurm.job"))) == 2)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    run(recipe, *SLURM, "--jobs=1", "--pause=1")
    assert len(scripts(recipe)) == 1
    assert log(recipe, "lora/fold1_seed1").count("$ ") == 1


@pytest.mark.slow
def test_stopped(recipe):
    """Ctrl-C cancels the array; the same command submits what is left."""
    process = in_a_fork(recipe, *SLURM, "--jobs=1", "--pause=1")
    wait_for(lambda: len(list(recipe.rglob("slurm.job"))) == 2)
    wait_for(lambda: list(recipe.rglob("steps/0")))
    os.kill(process.pid, signal.SIGINT)
    process.join(20)
    assert process.exitcode == 130  # as a shell's
    states = Path(recipe.parent / "slurm" / "state")
    for path in states.glob("*_?"):
        assert path.read_text().startswith("CANCELLED")
    run(recipe, *SLURM)
    assert len(scripts(recipe)) == 2 and len(folders(recipe)) == 2
