"""Any of torch's and of SpeechBrain's schedulers is one of a recipe's."""

import importlib
import inspect
from functools import partial

import pytest
import torch
from speechbrain_petl import InputError, PerEpoch, SpeechBrainSchedule
from speechbrain_petl.training.schedules import make_schedule
from torch.optim import lr_scheduler as of_torch
from toy import network, toy_brain, train

of_speechbrain = importlib.import_module("speechbrain.nnet.schedulers")
EPOCHS, STEPS, LR = 4, 4, 0.1
TORCH = {  # what each needs to be told
    "ConstantLR": {},
    "CosineAnnealingLR": {"T_max": EPOCHS * STEPS},
    "CosineAnnealingWarmRestarts": {"T_0": 3},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5, "cycle_momentum": False},
    "ExponentialLR": {"gamma": 0.9},
    "LambdaLR": {"lr_lambda": lambda number: 1 / (1 + number)},
    "LinearLR": {},
    "MultiStepLR": {"milestones": [3, 5]},
    "MultiplicativeLR": {"lr_lambda": lambda number: 0.9},
    "OneCycleLR": {"max_lr": 0.5},
    "PolynomialLR": {"total_iters": 9},
    "ReduceLROnPlateau": {"patience": 0, "threshold": 0.9},
    "StepLR": {"step_size": 3},
}
MADE_OF_OTHERS = {"SequentialLR", "ChainedScheduler", "LRScheduler"}
SPEECHBRAIN = {
    "CyclicCosineScheduler": {"n_warmup_steps": 2, "total_steps": 16},
    "CyclicLRScheduler": {"base_lr": 0.1, "max_lr": 0.5, "step_size": 3},
    "IntervalScheduler": {
        "intervals": [{"steps": 3, "lr": 0.5}, {"steps": 9, "lr": 0.2}]
    },
    "InverseSquareRootScheduler": {"warmup_steps": 2},
    "LinearNoamScheduler": {
        **{"lr_initial": 0.1, "n_warmup_steps": 2, "n_keep_steps": 3}
    },
    "LinearScheduler": {
        **{"initial_value": 0.1, "final_value": 0.01, "epoch_count": EPOCHS}
    },
    "LinearWarmupScheduler": {
        **{"initial_value": 0.1, "num_warmup_steps": 2},
        "num_training_steps": 16,
    },
    "NewBobScheduler": {"initial_value": 0.1, "improvement_threshold": 0.9},
    "NoamIntervalScheduler": {
        **{"lr_initial": 0.1, "n_warmup_steps": 2},
        **{"anneal_steps": [5, 9], "anneal_rates": [0.5, 0.5]},
    },
    "NoamScheduler": {"lr_initial": 0.1, "n_warmup_steps": 2},
    "ReduceLROnPlateau": {"patience": 0, "dont_halve_until_epoch": 1},
    "StepScheduler": {"initial_value": 0.1, "decay_drop": 2},
    "TriStageLRSchedule": {
        **{"lr": 0.1, "warmup_steps": 2, "hold_steps": 3, "decay_steps": 9},
        "total_steps": 16,
    },
    "WarmAndExpDecayLRSchedule": {
        **{"lr": 0.1, "n_warmup_steps": 2, "total_steps": 16}
    },
    "WarmCoolDecayLRSchedule": {
        **{"lr": 0.1, "warmup": 2, "cooldown": 3, "total_steps": 16},
        "decay_every": 4,
    },
}


def classes(module):
    return {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and kind.__module__ == module.__name__
        and not name.startswith("_")
    }


def test_none_is_forgotten():
    theirs = {n for n in of_torch.__all__ if n in classes(of_torch)}
    assert theirs - MADE_OF_OTHERS == set(TORCH)
    others = set(classes(of_speechbrain)) - {"ScheduledLoss"}  # of no rate
    assert others == set(SPEECHBRAIN)


def factory(of, name):
    """As a recipe's ``scheduler`` makes it, anew in each run."""
    if of == "torch":
        return partial(getattr(of_torch, name), **TORCH[name])
    kind = partial(getattr(of_speechbrain, name), **SPEECHBRAIN[name])
    return lambda optimizer: SpeechBrainSchedule(optimizer, kind())


def trained(folder, scheduler, monkeypatch, stop_after=None):
    """The rate of every step of a run, of two groups, and its losses."""
    made = toy_brain(
        folder, opt_class=partial(torch.optim.SGD, lr=LR), epochs=EPOCHS
    )
    made.make_scheduler, rates = scheduler, []
    made.groups = {"net.1.*": {"lr": 2 * LR}}
    step = type(made).optimizers_step

    def noted():
        if stop_after is not None and made.optimizer_step == stop_after:
            raise KeyboardInterrupt
        rates.append([g["lr"] for g in made.optimizer.param_groups])
        step(made)

    monkeypatch.setattr(made, "optimizers_step", noted)
    result = train(made) if stop_after is None else None
    if stop_after is not None:
        with pytest.raises(KeyboardInterrupt):
            train(made)
    return rates, result


CASES = [*(("torch", n) for n in TORCH), *(("sb", n) for n in SPEECHBRAIN)]


@pytest.mark.parametrize("of, name", CASES)
def test_it_trains_and_goes_on(of, name, tmp_path, monkeypatch):
    """Its rates in a run, and those of the same run that was stopped."""
    scheduler = factory(of, name)
    rates, result = trained(tmp_path / "whole", scheduler, monkeypatch)
    assert len(rates) == EPOCHS * STEPS
    assert len({first for first, _ in rates}) > 1, rates
    if (of, name) not in {("torch", "CyclicLR"), ("torch", "OneCycleLR")}:
        # these two set the rates of all groups, or one for each
        assert all(b == pytest.approx(2 * a) for a, b in rates)
    folder = tmp_path / "stopped"
    first, _ = trained(folder, scheduler, monkeypatch, stop_after=2 * STEPS + 1)
    rest, again = trained(folder, scheduler, monkeypatch)
    assert first[: 2 * STEPS] + rest == rates
    assert again["metrics"] == result["metrics"]


def rates_by_hand(name, losses):
    """SpeechBrain's scheduler, called as its recipes do after each epoch."""
    scheduler = getattr(of_speechbrain, name)(**SPEECHBRAIN[name])
    optimizer = torch.optim.SGD(network().parameters(), lr=LR)
    found = []
    for epoch, loss in enumerate(losses, 1):
        rate = optimizer.param_groups[0]["lr"]
        found += STEPS * [rate]
        known = {"current_epoch": epoch, "optim_list": [optimizer]}
        known |= dict.fromkeys(("metric_value", "current_loss"), loss)
        taken = inspect.signature(scheduler).parameters
        _, rate = scheduler(*(known[n] for n in taken))
        optimizer.param_groups[0]["lr"] = rate
    return found


@pytest.mark.parametrize(
    "name",
    [
        "LinearScheduler",
        "StepScheduler",
        "NewBobScheduler",
        "ReduceLROnPlateau",
    ],
)
def test_of_an_epoch(name, tmp_path, monkeypatch):
    rates, result = trained(tmp_path, factory("sb", name), monkeypatch)
    losses = [row["valid"]["loss"] for row in result["history"]]
    expected = rates_by_hand(name, losses)
    assert [first for first, _ in rates] == pytest.approx(expected)


def test_a_plateau_of_the_validation_loss(tmp_path, monkeypatch):
    """By itself, and around it what moves on once an epoch."""
    plateau = factory("torch", "ReduceLROnPlateau")
    rates, result = trained(tmp_path / "a", plateau, monkeypatch)
    around = partial(PerEpoch, scheduler=plateau)
    assert trained(tmp_path / "b", around, monkeypatch)[0] == rates
    optimizer = torch.optim.SGD(network().parameters(), lr=LR)
    by_hand, expected = plateau(optimizer), []
    for row in result["history"]:
        expected += STEPS * [optimizer.param_groups[0]["lr"]]
        by_hand.step(row["valid"]["loss"])
    assert [first for first, _ in rates] == pytest.approx(expected)


def test_what_is_no_schedule_is_refused():
    optimizer = torch.optim.SGD(network().parameters(), lr=LR)
    lengths = {"steps": 8, "epochs": 2, "steps_per_epoch": 4}
    loss = of_speechbrain.ScheduledLoss([{"loss_fn": network, "steps": 1}])
    scheduler = partial(SpeechBrainSchedule, scheduler=loss)
    with pytest.raises(InputError, match="ScheduledLoss takes args, kwargs"):
        make_schedule(scheduler, optimizer, **lengths)
