"""torchrun on CPU: the same learning as one process, and no new flags."""

import csv
import json
import re
from pathlib import Path

import killed
import pandas
import pytest
import torch
from layouts import make_esc50
from processes import PROCESSES, in_processes
from running import arguments, result_of, run, torchrun, weights_of
from speechbrain_petl.recipe.main import run_main
from toy import ToyBrain, normalised, toy_brain, train

GLOBAL_BATCH = 8
PLAIN = ["--augment={steps: []}"]  # its draws depend on the process


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """ESC-10 with 60 clips to train on, 19 to validate and 17 to test on."""
    root = make_esc50(tmp_path_factory.mktemp("uneven"), clips=2)
    path = root / "meta" / "esc50.csv"
    with open(path, encoding="utf-8") as file:
        rows = list(csv.reader(file))
    leave_out = {"2-2019", "1-1017", "1-1018", "1-1019"}
    rows = [r for r in rows if r[0].rsplit("-", 2)[0] not in leave_out]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return root


def command_line(data, output, processes, *options):
    """The same global batch whatever the number of processes."""
    batch = f"--batch_size={GLOBAL_BATCH // processes}"
    argv = arguments(data, output, batch, *options, method="lora")
    return [a for a in argv if a != "--device=cpu"]


def test_two_processes_are_one(uneven, tmp_path):
    """With the command of the README, from the recipe's folder."""
    one, two = tmp_path / "one", tmp_path / "two"
    argv = command_line(uneven, two, PROCESSES, *PLAIN)
    done = torchrun(argv)
    assert done.returncode == 0, done.stderr
    log = done.stdout + done.stderr
    assert len(re.findall("lists 96 clips", log)) == 1  # prepared once
    assert len(re.findall("tested epoch: ", log)) == 1
    run(uneven, one, f"--batch_size={GLOBAL_BATCH}", *PLAIN)
    result, other = result_of(two), result_of(one)
    assert (result["processes"], other["processes"]) == (PROCESSES, 1)
    assert result["tested_epoch"] == other["tested_epoch"]
    same = pytest.approx
    assert result["metrics"] == same(other["metrics"], rel=1e-5)
    for epoch, expected in zip(result["history"], other["history"]):
        for split in ("train", "valid"):
            assert epoch[split] == same(expected[split], rel=1e-5)
    # accuracies are counts over all clips
    for name, clips in (("valid", 19), ("train", 60)):
        count = clips * result["history"][0][name]["accuracy"]
        assert abs(count - round(count)) < 1e-4
    tables = [pandas.read_csv(f / "predictions.csv") for f in (one, two)]
    pandas.testing.assert_frame_equal(*tables, atol=1e-5)
    weights, others = weights_of(two), weights_of(one)
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        assert torch.allclose(value, others[name], atol=1e-6), name
    assert len(list(two.glob("*.json"))) == 1


@pytest.mark.slow
def test_killed_under_torchrun(uneven, tmp_path):
    """Both processes before a step of the second epoch, and then again."""
    whole = command_line(uneven, tmp_path / "whole", PROCESSES)
    assert torchrun(whole).returncode == 0
    broken = command_line(
        uneven, tmp_path / "broken", PROCESSES, "--ckpt_interval_steps=1"
    )
    assert torchrun(["step", "12", *broken], killed.__file__).returncode != 0
    assert not (tmp_path / "broken" / "result.json").exists()
    assert torchrun(broken).returncode == 0
    result, other = (result_of(tmp_path / n) for n in ("broken", "whole"))
    for key in ("metrics", "history", "tested_epoch"):
        assert result[key] == other[key], key
    weights, others = (weights_of(tmp_path / n) for n in ("broken", "whole"))
    for name, value in weights.items():
        assert torch.equal(value, others[name]), name


@pytest.mark.slow
def test_bad_input_under_torchrun_is_said(tmp_path):
    argv = command_line(tmp_path / "nowhere", tmp_path / "out", PROCESSES)
    done = torchrun(argv)
    assert done.returncode != 0
    assert "error: data_folder=" in done.stderr
    assert not list(tmp_path.glob("out/**/CKPT*"))


class SpyBrain(ToyBrain):
    """Keeps what it drew and when it evaluated."""

    draws = ()

    def compute_forward(self, batch, stage):
        """Logits."""
        self.draws = [*self.draws, torch.rand(1).item()]
        return super().compute_forward(batch, stage)


def trained_and_left(folder, rank):
    """As a recipe ends: no thread of the process group outlives it."""

    before = []

    def main(argv):
        """Train."""
        train(toy_brain(folder / str(rank)))
        before.extend(thread_names())

    run_main(main)
    assert any("gloo" in name for name in before), before
    assert not any("gloo" in name for name in thread_names())


def thread_names():
    """The threads of this process, those of libraries too."""
    tasks = Path("/proc/self/task").glob("*/comm")
    return [path.read_text(encoding="utf-8").strip() for path in tasks]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc")
def test_nothing_of_the_process_group_is_left_at_exit(tmp_path):
    """Its threads, alive while Python ends, can abort the process."""
    in_processes(trained_and_left, tmp_path)


def train_batches_of_two(folder, rank):
    """BatchNorm needs more than one clip to train."""
    brain = toy_brain(folder, normalised(), SpyBrain)
    result = train(brain, train=8, valid=5, test=3, batch_size=2)
    state = brain.checkpointer.recoverables["net"].state_dict()
    torch.save((result, state, brain.draws), folder / f"{rank}.pt")


def test_batch_norm(tmp_path):
    """In the trainable part, with fewer batches in one of the processes."""
    in_processes(train_batches_of_two, tmp_path)
    (first, state, draws), (second, other, others) = (
        torch.load(tmp_path / f"{rank}.pt") for rank in range(PROCESSES)
    )
    assert first == second == json.loads((tmp_path / "result.json").read_text())
    for name, value in state.items():
        assert torch.equal(value, other[name]), name
    assert state["1.num_batches_tracked"] > 0
    # one process finds the same in the checkpoint
    brain = toy_brain(tmp_path, normalised(), test_only=True)
    alone = train(brain, train=8, valid=5, test=3, batch_size=2)
    assert alone["metrics"] == pytest.approx(first["metrics"])
    # the processes drew different numbers in training
    assert not set(draws) & set(others)
