"""What the original AST's training needs of any recipe: see the same in yaml."""

import json

import pytest
import torch
from layouts import make_esc50
from layouts_audioset import make_audioset
from layouts_google_speech_commands import make_speech_commands
from method_files import ROOT
from running import load_train
from speechbrain_petl import InputError
from speechbrain_petl.data.mixing import MixedClips, mixed_clips
from speechbrain_petl.training.averaging import keep_average
from speechbrain_petl.training.losses import binary_cross_entropy
from speechbrain_petl.training.parameter_groups import parameter_groups
from speechbrain_petl.training.schedules import make_schedule, warmup_multistep
from tiny_runs import TINY, train
from torch.optim.lr_scheduler import OneCycleLR

from speechbrain.utils.checkpoints import Checkpointer


def sgd(*groups):
    one = torch.nn.Parameter(torch.ones(1))
    return torch.optim.SGD(list(groups) or [one], lr=1.0)


def test_schedules_get_what_they_name():
    lengths = {"steps": 8, "epochs": 2, "steps_per_epoch": 4}

    def one_cycle(optimizer, epochs, steps_per_epoch):
        return OneCycleLR(
            optimizer, 1.0, epochs=epochs, steps_per_epoch=steps_per_epoch
        )

    assert make_schedule(one_cycle, sgd(), **lengths).total_steps == 8
    with pytest.raises(InputError, match="scheduler: start=0, step=1"):
        make_schedule(
            lambda o, steps_per_epoch: warmup_multistep(o, steps_per_epoch, 0),
            sgd(),
            **lengths,
        )


def test_groups_have_rates_of_their_own():
    encoder = torch.nn.ModuleDict({"encoder": torch.nn.Linear(2, 2)})
    modules = torch.nn.ModuleDict(
        {"encoder": encoder, "classifier": torch.nn.Linear(2, 3)}
    )
    options = {
        "classifier.*": {"lr": 0.5},
        "encoder.bias": {"weight_decay": 0.1},
    }
    groups = parameter_groups(modules, options)
    assert [len(g["params"]) for g in groups] == [1, 2, 1]
    assert [g.get("lr") for g in groups] == [None, 0.5, None]
    schedule = warmup_multistep(sgd(*groups), 1, start=1)
    for _ in range(2):
        schedule.optimizer.step()
        schedule.step()
    assert [g["lr"] for g in schedule.optimizer.param_groups] == [
        0.25,
        0.125,
        0.25,
    ]
    with pytest.raises(InputError, match="^brain: groups: the glob .head"):
        parameter_groups(modules, {"head.*": {"lr": 0.5}})


@pytest.mark.parametrize(
    "value", [-1, float("nan"), float("inf"), "fast", [0.1], True]
)
@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_groups_have_rates_that_are_numbers(name, value):
    """Optimizers check their defaults alone."""
    modules = torch.nn.ModuleDict({"classifier": torch.nn.Linear(2, 3)})
    with pytest.raises(InputError, match=rf"classifier.\*: {name}=.* number"):
        parameter_groups(modules, {"classifier.*": {name: value}})


@pytest.mark.parametrize(
    "epochs", [5, [3], ["a", "b"], [0, 1], [3, 2], [1.5, 2], {"a": 1}]
)
def test_a_range_is_two_epochs(epochs, tmp_path):
    checkpointer = Checkpointer(tmp_path, {"a": torch.nn.Linear(1, 1)})
    with pytest.raises(InputError, match=r"average_range=.*first"):
        keep_average(epochs, checkpointer, ["a"])


@pytest.mark.parametrize("smoothing", [2, -1, float("nan")])
def test_smoothing_is_a_share(smoothing):
    with pytest.raises(InputError, match="label_smoothing=.*: give 0 to 1"):
        binary_cross_entropy(torch.zeros(2, 2), torch.eye(2), smoothing)


class Clips(torch.utils.data.Dataset):
    def __len__(self):
        return 200

    def __getitem__(self, index):
        sig = torch.full((50 + index,), float(index)) + torch.randn(50 + index)
        return {
            "id": str(index),
            "sig": sig,
            "soft_targets": torch.eye(200)[index],
        }


def test_mixup_draws_from_the_whole_set():
    mixed = MixedClips(Clips(), seed=1, prob=0.5, alpha=10.0)
    others, weights = set(), []
    for index in range(200):
        shares = mixed[index]["soft_targets"]
        assert shares.sum() == pytest.approx(1.0)
        if shares[index] < 1:
            weights.append(float(shares[index]))
            others.add(
                int(
                    shares.clone()
                    .index_fill_(0, torch.tensor(index), 0)
                    .argmax()
                )
            )
    assert 70 < len(weights) < 130 and len(others) > 50
    assert 0.45 < sum(weights) / len(weights) < 0.55
    again = mixed[3]["soft_targets"]
    assert torch.equal(
        again, mixed[3]["soft_targets"]
    )  # in any process, any worker
    first = torch.stack([mixed[i]["soft_targets"] for i in range(20)])
    mixed.start(epoch=2, step=0)
    second = torch.stack([mixed[i]["soft_targets"] for i in range(20)])
    assert not torch.equal(first, second)


def test_what_mixup_does_not_know():
    with pytest.raises(InputError, match="mixup: MixedClips .* 'beta'"):
        mixed_clips(Clips(), 1, {"prob": 0.5, "beta": 3.0})


def test_all_of_it_in_a_run(esc50, tmp_path):
    """Another head rate, smoothing, mixup, balance, a range of epochs."""
    argv = [
        "--esc10=True",
        "--epochs=3",
        "--head_lr=0.5",
        "--mixup={prob: 0.5, alpha: 10.0}",
        "--balance=True",
        "--average_range=[2, 3]",
        "--loss={label_smoothing: 0.1}",
    ]
    method = "original/ast"
    result = train("ESC50", esc50, tmp_path / "whole", *argv, method=method)
    assert result["tested_epoch"] == [2, 3]
    assert len(result["history"]) == 3
    rows = (tmp_path / "whole" / "train_log.txt").read_text().splitlines()
    assert len(rows) == 4  # three epochs and the test


MAKE = {
    "AudioSet": make_audioset,
    "ESC50": make_esc50,
    "GoogleSpeechCommands": make_speech_commands,
}
ORIGINAL = sorted((ROOT / "recipes").glob("*/hparams/original/ast*.yaml"))


@pytest.mark.parametrize(
    "file", ORIGINAL, ids=lambda f: f"{f.parts[-4]} {f.stem}"
)
def test_every_original_file_trains_in_debug(file, tmp_path):
    data = MAKE[file.parts[-4]](tmp_path / "data")
    run = tmp_path / "run"
    argv = [str(file), f"--data_folder={data}", f"--output_folder={run}"]
    argv += ["--esc10=True"] * (file.parts[-4] == "ESC50")
    load_train(file.parents[2]).main([*argv, *TINY, "--debug"])
    assert json.loads((run / "result.json").read_text())["debug"]
