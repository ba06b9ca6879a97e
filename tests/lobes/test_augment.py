"""Augmentation: what each step does to clips and targets, and where it is."""

import importlib.util
import re
import sys
from types import SimpleNamespace

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from method_files import ROOT
from recipe_rows import listed
from speechbrain_petl import (
    Augment,
    InputError,
    Mixup,
    RandomGain,
    SpecAugment,
    TimeShift,
)

import speechbrain as sb

SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("recipes", "templates")
    for path in (ROOT / folder).glob("*/train*.py")
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_mixup_mixes_targets_alike():
    """A clip that is all i and one that is all j become their target's mean."""
    targets = torch.eye(64)
    x, mixed = Mixup(prob=0.5, alpha=10)(targets.repeat(1, 3), targets)
    assert torch.equal(x, mixed.repeat(1, 3))
    assert torch.allclose(mixed.sum(1), torch.ones(64))
    own = mixed.diagonal()
    assert 16 < (own < 1).sum() < 48  # half of them
    assert (own > 0.05).all() and own[own < 1].std() < 0.3  # mixes evenly


def test_mixup_of_none_and_of_all():
    x, targets = torch.randn(32, 9), torch.eye(32)
    assert torch.equal(Mixup(prob=0.0)(x, targets)[0], x)
    mixed = Mixup(prob=1.0)(x, targets)[1].diagonal()
    assert (mixed < 1).sum() >= 28  # but those that meet themselves
    for wrong in ({"prob": 1.5}, {"alpha": 0}):
        with pytest.raises(InputError, match="must lie between 0 and 1"):
            Mixup(**wrong)


@pytest.mark.parametrize(
    "step, options",
    [
        (SpecAugment, {"mels": -1}),
        (SpecAugment, {"frames": -1}),
        (RandomGain, {"low": 3.0, "high": -3.0}),
        (RandomGain, {"low": float("nan")}),
        (TimeShift, {"most": -1}),
    ],
)
def test_steps_refuse_what_they_cannot_do(step, options):
    """When they are built, not in the first epoch."""
    with pytest.raises(InputError, match=step.__name__):
        step(**options)


def test_spec_augment_masks_a_band_and_a_stretch():
    """Of each clip its own, no wider than said, with the value said."""
    x = torch.randn(200, 100, 128)
    masked, targets = SpecAugment(24, 80, value=0.5)(x, "targets")
    hidden = masked == 0.5
    assert torch.equal(masked[~hidden], x[~hidden]) and targets == "targets"
    for axis, widest in ((2, 80), (1, 24)):
        width = hidden.all(dim=axis).sum(dim=1)
        assert width.max() <= widest and width.float().mean() > 0.4 * widest
        assert len(set(width.tolist())) > 10
    frames, mels = hidden.all(dim=2), hidden.all(dim=1)
    assert torch.equal(hidden, frames[:, :, None] | mels[:, None])
    assert torch.equal(SpecAugment(0, 0)(x, None)[0], x)


def test_random_gain_stays_within_its_decibels():
    x = torch.randn(500, 4)
    gain = RandomGain(-6, 3)(x, None)[0] / x
    assert torch.allclose(gain, gain[:, :1].expand_as(gain), atol=1e-5)
    db = 20 * gain[:, 0].log10()
    assert -6 <= db.min() < -5 and 2 < db.max() <= 3


@pytest.mark.parametrize("shape", [(50, 30), (50, 30, 4)])
def test_time_shift_rolls(shape):
    x = torch.randn(shape)
    shifted = TimeShift(most=5)(x, None)[0]
    rolls = {
        next(s for s in range(-5, 6) if torch.equal(y, z.roll(s, dims=0)))
        for y, z in zip(shifted, x)
    }
    assert rolls == set(range(-5, 6))


def test_chains_come_from_yaml():
    """In their order, in training only."""
    chain = load_hyperpyyaml(
        "augment: !new:speechbrain_petl.Augment\n"
        "    steps:\n"
        "        - !new:speechbrain_petl.RandomGain {low: 20, high: 20}\n"
        "        - !new:speechbrain_petl.SpecAugment {mels: 1, frames: 1}\n"
    )["augment"]
    x = torch.ones(2, 5)
    assert isinstance(chain, Augment) and len(chain.steps) == 2
    chain.steps = chain.steps[:1]
    assert torch.allclose(chain(x, None)[0], 10 * x)
    assert chain.eval()(x, None)[0] is x


class Step:
    """Stands for a module of a recipe; notes that it was called."""

    def __init__(self, calls, name):
        self.calls, self.name = calls, name

    def __call__(self, x, *more):
        self.calls.append(self.name)
        return (x, more[0] + 1) if "augment" in self.name else x


def brain_of(script):
    """The Brain of a train.py, without a run."""
    folder, name = (ROOT / script).parent, "script_under_test"
    sys.modules.pop("prepare", None)
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location(name, ROOT / script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == name
    )


@pytest.mark.parametrize(
    "script", [s for s in SCRIPTS if not re.search("seq2seq|LibriSpeech", s)]
)
def test_every_recipe_augments(script):
    """Waveforms before the filterbank, spectrograms after it; targets too."""
    calls = []
    order = "wave_augment fbank augment encoder pooling classifier".split()
    modules = SimpleNamespace(**{name: Step(calls, name) for name in order})
    soft_targets = SimpleNamespace(data=torch.eye(2))
    batch = SimpleNamespace(
        sig=(torch.ones(2, 8), torch.ones(2)), soft_targets=soft_targets
    )
    batch.to = lambda device: batch
    brain = SimpleNamespace(modules=modules, device="cpu")
    forward = brain_of(script).compute_forward
    targets = forward(brain, batch, sb.Stage.TRAIN)[1]
    assert calls == order
    assert torch.equal(targets, torch.eye(2) + 2)


def test_scripts():
    """Those that the lists of recipes name, and the templates'."""
    recipes = {s for s in SCRIPTS if s.startswith("recipes/")}
    assert recipes == {path.as_posix() for path in listed("Script_file")}
    assert set(SCRIPTS) > recipes
