"""Before training, EVA's layers look at a few batches of the training set."""

import torch
from speechbrain_petl import LoRA
from speechbrain_petl.training import starting
from torch import nn
from toy import CLASSES, DIM, toy_brain, train, vectors

TRAIN = 40


def network(rank=2):
    """A frozen layer with EVA, and a classifier."""
    torch.manual_seed(1)
    layer = nn.Linear(DIM, 8).requires_grad_(False)
    return nn.Sequential(LoRA(layer, rank, init="eva"), nn.Linear(8, CLASSES))


def still(*args, **kwargs):
    """An optimizer that moves nothing."""
    return torch.optim.SGD(*args, lr=0.0, **kwargs)


def test_the_first_directions_of_the_training_clips(tmp_path):
    """Of all of them, where they are few; validation is not looked at."""
    net = network()
    brain = toy_brain(tmp_path, net, opt_class=still)
    train(brain, train=TRAIN, valid=8, test=8, batch_size=4)
    clips = torch.stack([clip["x"] for clip in vectors(TRAIN, 1).data.values()])
    right = torch.linalg.svd(clips)[2][:2]
    cosines = (net[0].down[0] * right).sum(1).abs()
    torch.testing.assert_close(cosines, torch.ones(2))


def test_nothing_is_searched(tmp_path, monkeypatch):
    """It is shown what training shows, but the modules evaluate."""
    brain, seen = toy_brain(tmp_path, network(), opt_class=still), []
    forward = brain.compute_forward

    def noted(batch, stage):
        seen.append(
            (stage.name, any(m.training for m in brain.modules.values()))
        )
        return forward(batch, stage)

    monkeypatch.setattr(brain, "compute_forward", noted)
    train(brain, train=TRAIN, valid=8, test=8, batch_size=4)
    assert seen[: TRAIN // 4] == [("TRAIN", False)] * (TRAIN // 4)
    assert seen[TRAIN // 4] == ("TRAIN", True)


def test_a_run_that_goes_on_looks_no_more(tmp_path, monkeypatch):
    """It has the directions it began with."""
    net = network()
    train(toy_brain(tmp_path, net, opt_class=still), TRAIN, 8, 8)

    def refuse(*args):
        raise AssertionError("looked again")

    monkeypatch.setattr(starting, "eva_start", refuse)
    other = network()
    brain = toy_brain(tmp_path, other, opt_class=still, epochs=3)
    train(brain, TRAIN, 8, 8)
    assert torch.equal(other[0].down, net[0].down)


def test_other_methods_draw_and_load_nothing_more(tmp_path, monkeypatch):
    """Not even a loader is made for them."""
    stages = []
    brain = toy_brain(tmp_path, opt_class=still)
    make = brain.make_dataloader

    def noted(dataset, stage, *args, **kwargs):
        stages.append(stage.name)
        return make(dataset, stage, *args, **kwargs)

    monkeypatch.setattr(brain, "make_dataloader", noted)
    train(brain, TRAIN, 8, 8)
    assert stages.count("TRAIN") == 1
