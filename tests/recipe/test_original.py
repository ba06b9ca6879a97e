"""hparams/original: the original AST's training, setting by setting and step by step.

The table is written down from the official scripts (egs/*/run*.sh, src/run.py,
src/traintest.py and src/dataloader.py of github.com/YuanGongND/ast, 31088be).
"""

from functools import partial

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from method_files import ROOT
from speechbrain_petl.recipe.method_files import export

OFFICIAL = {
    "ESC50/hparams/original/ast.yaml": {
        "source": "MIT/ast-finetuned-audioset-10-10-0.4593",
        "protocol": "4-1",
        "lr": 1e-5,
        "epochs": 25,
        "batch_size": 48,
        "frames": 512,
        "mean": -6.6268077,
        "std": 5.358466,
        "freqm": 24,
        "timem": 96,
        "mixup": 0,
        "noise": False,
        "balance": False,
        "loss": "cross_entropy",
        "start, step, decay": (5, 1, 0.85),
        "warmup": 0,
        "average_range": [],
    },
    "GoogleSpeechCommands/hparams/original/ast.yaml": {
        "source": "timm/deit_base_distilled_patch16_384.fb_in1k",
        "lr": 2.5e-4,
        "epochs": 30,
        "batch_size": 128,
        "frames": 128,
        "mean": -6.845978,
        "std": 5.5654526,
        "freqm": 48,
        "timem": 48,
        "mixup": 0.6,
        "noise": True,
        "balance": False,
        "loss": "binary_cross_entropy",
        "start, step, decay": (5, 1, 0.85),
        "warmup": 0,
        "average_range": [],
    },
    "AudioSet/hparams/original/ast_balanced.yaml": {
        "source": "timm/deit_base_distilled_patch16_384.fb_in1k",
        "train_set": "balanced",
        "valid_clips": 0,
        "lr": 5e-5,
        "epochs": 25,
        "batch_size": 12,
        "frames": 1024,
        "mean": -4.2677393,
        "std": 4.5689974,
        "freqm": 48,
        "timem": 192,
        "mixup": 0.5,
        "noise": False,
        "balance": False,
        "loss": "binary_cross_entropy",
        "start, step, decay": (10, 5, 0.5),
        "warmup": 1000,
        "average_range": [6, 25],
    },
    "AudioSet/hparams/original/ast_full.yaml": {
        "source": "timm/deit_base_distilled_patch16_384.fb_in1k",
        "train_set": "full",
        "valid_clips": 0,
        "lr": 1e-5,
        "epochs": 5,
        "batch_size": 12,
        "frames": 1024,
        "mean": -4.2677393,
        "std": 4.5689974,
        "freqm": 48,
        "timem": 192,
        "mixup": 0.5,
        "noise": False,
        "balance": True,
        "loss": "binary_cross_entropy",
        "start, step, decay": (2, 1, 0.5),
        "warmup": 1000,
        "average_range": [1, 5],
    },
}
FILES = sorted((ROOT / "recipes").glob("*/hparams/original/ast*.yaml"))


def loaded(name):
    options = {"data_folder": "d", "output_folder": "/tmp/none"}
    options["ast_size"] = [32, 1, 2]
    return load_hyperpyyaml(export(ROOT / "recipes" / name, options))


def test_every_file_has_its_table():
    found = {str(path.relative_to(ROOT / "recipes")) for path in FILES}
    assert found == set(OFFICIAL)


def stated(hparams):
    """What a file says, in the words of the official scripts."""
    steps = {type(step).__name__: step for step in hparams["augment"].steps}
    masks, noise = steps.pop("SpecAugment"), steps.pop("SpectrogramNoise", None)
    shift = steps.pop("TimeShift", None)
    assert not steps and bool(noise) == bool(shift)
    if noise:
        assert (noise.most, noise.signed, shift.most) == (0.1, False, 10)
    assert masks.value == hparams["fbank"].padding_value
    assert not len(hparams["wave_augment"].steps)
    mixup = hparams["mixup"]
    assert mixup["alpha"] == 10.0
    schedule = hparams["scheduler"].keywords
    loss = hparams["loss"]
    return {
        **hparams,
        "freqm": masks.mels,
        "timem": masks.frames,
        "mixup": mixup["prob"],
        "noise": bool(noise),
        "loss": getattr(loss, "func", loss).__name__,
        "start, step, decay": tuple(
            schedule[key] for key in ("start", "step", "decay")
        ),
        "warmup": schedule.get("warmup", 0),
    }


@pytest.mark.parametrize("name", OFFICIAL)
def test_settings(name):
    hparams = loaded(name)
    found = stated(hparams)
    assert {key: found[key] for key in OFFICIAL[name]} == OFFICIAL[name]
    # the same in all of them
    adam = hparams["opt_class"]
    assert adam.func is torch.optim.Adam
    said = {k: adam.keywords[k] for k in ("lr", "betas", "eps", "weight_decay")}
    official = {"betas": [0.95, 0.999], "eps": 1e-8, "weight_decay": 5e-7}
    assert said == {"lr": OFFICIAL[name]["lr"], **official}
    assert hparams["petl"]["train"] == ["*"] and not hparams["petl"]["wrap"]
    assert hparams["pooling"].tokens == slice(2)
    head = hparams["classifier"](32, 5)
    assert [type(m).__name__ for m in head] == ["LayerNorm", "Linear"]
    assert head[0].eps == 1e-5 and hparams["encoder"].strides == (10, 10)


def official_rates(lr, epochs, steps, start, step, decay, warmup):
    """Their loop, with torch's own MultiStepLR once an epoch."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(
        optimizer, list(range(start, 1000, step)), gamma=decay
    )
    rates, number = [], 0
    for _ in range(epochs):
        for _ in range(steps):
            if warmup and number <= 1000 and number % 50 == 0:
                for group in optimizer.param_groups:
                    group["lr"] = number / 1000 * lr
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            number += 1
        scheduler.step()
    return rates


@pytest.mark.parametrize("steps", [34, 125, 400, 1847])
@pytest.mark.parametrize("name", OFFICIAL)
def test_every_rate_equals_the_official_rule(name, steps):
    """34 steps an epoch: decays within the warm-up are overwritten there, too."""
    hparams = loaded(name)
    table = OFFICIAL[name]
    start, step, decay = table["start, step, decay"]
    epochs = min(table["epochs"], 60_000 // steps)
    expected = official_rates(
        table["lr"], epochs, steps, start, step, decay, table["warmup"]
    )
    parameter = [torch.nn.Parameter(torch.ones(1))]
    optimizer = partial(hparams["opt_class"], fused=False)(parameter)
    schedule = hparams["scheduler"](optimizer, steps_per_epoch=steps)
    found = []
    for _ in expected:
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_weights_of_balanced_sampling():
    """sum over labels of 1000 / (count + 0.01), to the constant and the 0.01."""
    from speechbrain_petl.data.mixing import balancing_weights

    labels = [["a"], ["a", "b"], ["a"], ["c", "b"]]
    entries = {str(i): {"labels": names} for i, names in enumerate(labels)}
    counts = {"a": 3, "b": 2, "c": 1}
    expected = [sum(1000 / (counts[n] + 0.01) for n in ns) for ns in labels]
    found = balancing_weights(entries)
    ratios = [x / y for x, y in zip(expected, found)]
    assert max(ratios) / min(ratios) < 1.01
