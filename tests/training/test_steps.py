"""A step of training: limits, weight decay, what is left out, processes."""

import json
import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from processes import PROCESSES, in_processes
from speechbrain_petl import InputError, weighted_cross_entropy
from torch import nn
from toy import (
    CLASSES,
    Poisoned,
    ToyBrain,
    network,
    normalised,
    toy_brain,
    train,
)

import speechbrain as sb

SGD = partial(torch.optim.SGD, lr=0.1)


def rates_of(folder, **options):
    """The learning rate of each step of a run, and its result."""
    rates = []

    class Spy(ToyBrain):
        def optimizers_step(self):
            rates.append(self.optimizer.param_groups[0]["lr"])
            super().optimizers_step()

    brain = toy_brain(folder, brain=Spy, **options)
    result = train(brain)  # of four steps an epoch
    return rates, result, brain


@pytest.mark.parametrize("limit", [3, 4, 6])
def test_a_limit_of_steps_is_where_the_run_ends(limit, tmp_path):
    """Within an epoch, at its end and in the next; and the same when repeated."""
    options = {"epochs": 3, "optimizer_step_limit": limit}
    rates, result, brain = rates_of(tmp_path, **options)
    cosine = [1 + math.cos(math.pi * t / limit) for t in range(limit)]
    assert rates == pytest.approx([0.05 * value for value in cosine])
    assert brain.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    again, other, _ = rates_of(tmp_path, **options)
    measured = "peak_memory_mib", "sha256"  # of each process anew
    assert again == [] and result.keys() == other.keys()
    assert all(other[k] == result[k] for k in result if k not in measured)
    assert len(result["history"]) == math.ceil(limit / 4)
    assert all(math.isfinite(e["train"]["loss"]) for e in result["history"])


def test_a_limit_of_steps_after_a_kill(tmp_path):
    """The epoch whose last step was taken ends as it would have."""
    options = {"optimizer_step_limit": 3}
    _, result, _ = rates_of(tmp_path / "whole", **options)

    class Killed(ToyBrain):
        def on_stage_end(self, *args, **kwargs):
            raise KeyboardInterrupt

    options["ckpt_interval_steps"] = 1
    with pytest.raises(KeyboardInterrupt):
        train(toy_brain(tmp_path / "killed", brain=Killed, **options))
    rates, other, _ = rates_of(tmp_path / "killed", **options)
    assert rates == []
    for key in ("metrics", "history", "tested_epoch"):
        assert other[key] == result[key], key


def test_a_kept_trial_goes_no_further_when_repeated(tmp_path):
    options = {"epochs": 5, "debug": True, "debug_persistently": True}
    rates, result, _ = rates_of(tmp_path, **options)
    again, other, _ = rates_of(tmp_path, **options)
    assert rates and again == [] and other == result


def test_vectors_without_weight_decay(tmp_path):
    """They learn as if there was none, matrices as if there was no option."""
    nets = {}
    for name, decay, without in (
        ("option", 0.5, True),
        ("all", 0.5, False),
        ("none", 0.0, False),
    ):
        opt_class = partial(torch.optim.AdamW, lr=0.1, weight_decay=decay)
        nets[name] = network()
        options = {"epochs": 1, "remove_vector_weight_decay": without}
        folder, net = tmp_path / name, nets[name]
        train(toy_brain(folder, net, opt_class=opt_class, **options), train=2)
    for index in (0, 1):
        layer = {name: net[index] for name, net in nets.items()}
        assert torch.equal(layer["option"].bias, layer["none"].bias)
        assert not torch.equal(layer["option"].bias, layer["all"].bias)
        assert torch.equal(layer["option"].weight, layer["all"].weight)


def test_both_groups_are_clipped(tmp_path):
    net, options = network(), {"remove_vector_weight_decay": True}
    before = [p.detach().clone() for p in net.parameters()]
    opt_class = partial(torch.optim.SGD, lr=1.0)
    options |= {"epochs": 1, "max_grad_norm": 0.01, "opt_class": opt_class}
    train(toy_brain(tmp_path, net, **options), train=2)
    changes = [(p - b).flatten() for p, b in zip(net.parameters(), before)]
    assert torch.cat(changes).norm().item() == pytest.approx(0.01, rel=1e-3)
    assert all(change.any() for change in changes)


@pytest.mark.parametrize("factor", [1, 2])
def test_nothing_of_a_step_that_is_not_finite_is_left(factor, tmp_path, caplog):
    """Not in weights, statistics or metrics; its clips are named."""
    brain = toy_brain(
        tmp_path,
        normalised(),
        Poisoned,
        epochs=1,
        grad_accumulation_factor=factor,
    )
    result = train(brain)
    history = result["history"][0]
    assert math.isfinite(history["train"]["loss"])
    assert brain.modules.net[1].num_batches_tracked == 4 - factor
    state = brain.modules.net.state_dict().values()
    assert all(value.isfinite().all() for value in state)
    line = f"the loss of the clips {', '.join(brain.poisoned)} is not finite"
    assert caplog.text.count(line) == 1
    # three batches of two clips are counted
    correct = 6 * history["train"]["accuracy"]
    assert correct == pytest.approx(round(correct), abs=1e-5)


@pytest.mark.parametrize(
    "patience, words", [(9, "no step of"), (1, "nor was that")]
)
def test_a_run_of_steps_that_are_not_finite_ends(patience, words, tmp_path):
    class AllPoisoned(Poisoned):
        steps = range(1, 5)

    options = {"epochs": 2, "nonfinite_patience": patience}
    brain = toy_brain(tmp_path, normalised(), AllPoisoned, **options)
    with pytest.raises(InputError, match=words) as error:
        train(brain)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("save/CKPT*"))


def test_clips_of_evaluation_whose_loss_is_not_finite_are_named(
    tmp_path, caplog
):
    class Bad(ToyBrain):
        def compute_objectives(self, predictions, batch, stage):
            loss = super().compute_objectives(predictions, batch, stage)
            bad = stage == sb.Stage.TEST and "001" in batch.id
            return loss * float("nan") if bad else loss

    train(toy_brain(tmp_path, brain=Bad, epochs=1))
    line = "TEST: the loss of the clips 000, 001 is not finite"
    assert caplog.text.count(line) == 1


@pytest.mark.parametrize("factor", [0, -2])
def test_accumulation_of_less_than_a_batch(factor, tmp_path):
    """-2 would go uphill."""
    brain = toy_brain(tmp_path, grad_accumulation_factor=factor)
    with pytest.raises(InputError, match=f"factor={factor}: give 1 or more"):
        train(brain)


class TokenBrain(ToyBrain):
    """Its loss is a mean over tokens, of which each clip has another number."""

    def _tokens(self, batch):
        return torch.tensor([1 + int(name) % 3 for name in batch.id])

    def compute_objectives(self, predictions, batch, stage):
        """Cross entropy, the mean over tokens."""
        self.score(predictions, batch.target)
        losses = nn.functional.cross_entropy(
            predictions, batch.target, reduction="none"
        )
        tokens = self._tokens(batch)
        return (losses * tokens).sum() / tokens.sum()

    def loss_items(self, batch):
        """Tokens."""
        return int(self._tokens(batch).sum())


BRAINS = {"clips": ToyBrain, "tokens": TokenBrain}
CLIPS = {"clips": (5, 7), "tokens": (5, 6, 7)}  # batches of four: 1 to 3 left
FACTORS = (1, 2)


def trained(folder, mean, clips, factor, processes):
    """The result and the weights of a run with the same global batch."""
    name = f"{mean} {clips} {factor} {processes}"
    net = network()
    made = toy_brain(
        folder / name, net, BRAINS[mean], grad_accumulation_factor=factor
    )
    batch_size = 4 // processes
    result = train(made, train=clips, batch_size=batch_size)
    return result, net.state_dict()


def uneven_runs(folder, rank):
    """Each as one of the processes."""
    runs = {}
    for mean, numbers in CLIPS.items():
        for clips in numbers:
            for factor in FACTORS:
                case = mean, clips, factor
                runs[case] = trained(folder, *case, PROCESSES)
    torch.save(runs, folder / f"{rank}.pt")


def test_processes_take_the_steps_of_one(tmp_path):
    """Where the last batch is not shared evenly, and one may have none."""
    in_processes(uneven_runs, tmp_path)
    first, second = (torch.load(tmp_path / f"{r}.pt") for r in range(PROCESSES))
    for case, (result, state) in first.items():
        alone, expected = trained(tmp_path, *case, 1)
        assert result == second[case][0]
        for one, other in zip(result["history"], alone["history"]):
            for split in ("train", "valid"):
                same = pytest.approx(other[split], rel=1e-5)
                assert one[split] == same, (case, split)
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value)


class OnePoisoned(Poisoned):
    """In one of the processes."""

    def compute_forward(self, batch, stage):
        """Logits."""
        self.steps = (2,) if self.rank == 1 else ()
        return super().compute_forward(batch, stage)


def poisoned_in_one(folder, rank):
    """One step of four."""
    brain = toy_brain(folder, normalised(), OnePoisoned, epochs=1)
    result = train(brain, train=16)
    state = brain.checkpointer.recoverables["net"].state_dict()
    torch.save((result, state), folder / f"{rank}.pt")


def test_all_processes_leave_a_step_out(tmp_path):
    in_processes(poisoned_in_one, tmp_path)
    results, states = zip(*(torch.load(tmp_path / f"{r}.pt") for r in (0, 1)))
    assert results[0] == json.loads((tmp_path / "result.json").read_text())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
        assert value.isfinite().all(), name
    assert states[0]["1.num_batches_tracked"] == 3


class Weighed(ToyBrain):
    """Classes of unequal weight in training."""

    class_weights = torch.tensor([9.0, 1.0])

    def compute_objectives(self, predictions, batch, stage):
        """The mean by weight."""
        self.score(predictions, batch.target)
        targets = nn.functional.one_hot(batch.target, CLASSES).float()
        batch.soft_targets = SimpleNamespace(data=targets)
        weights = self.class_weights if stage == sb.Stage.TRAIN else None
        return weighted_cross_entropy(predictions, targets, weights)


def weighed_steps(folder, rank, batch_size=2):
    """An epoch of two steps, of four clips in all processes."""
    brain = toy_brain(folder, brain=Weighed, epochs=1)
    result = train(brain, batch_size=batch_size)
    state = brain.checkpointer.recoverables["net"].state_dict()
    torch.save((result["history"], state), folder / f"{rank}.pt")


def test_processes_weigh_classes_as_one_does(tmp_path):
    """A process whose clips are of rare classes counts for more."""
    (tmp_path / "one").mkdir()
    weighed_steps(tmp_path / "one", 0, batch_size=4)
    in_processes(weighed_steps, tmp_path)
    (history, state), (expected, theirs) = (
        torch.load(folder / "0.pt") for folder in (tmp_path, tmp_path / "one")
    )
    assert history[0]["train"] == pytest.approx(expected[0]["train"])
    for name, value in theirs.items():
        torch.testing.assert_close(state[name], value)


def test_autocast_does_not_round_weights_of_classes():
    logits, targets = torch.randn(8, CLASSES), torch.rand(8, CLASSES)
    weights = torch.tensor([9.03, 1.07])
    expected = weighted_cross_entropy(logits, targets, weights)
    with torch.autocast("cpu", torch.bfloat16):
        found = weighted_cross_entropy(logits, targets, weights)
    torch.testing.assert_close(found, expected)
