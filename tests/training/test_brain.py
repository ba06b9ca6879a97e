"""The bookkeeping: selection, clipping, schedule, draws, results."""

import json
import math
from functools import partial

import pytest
import torch
from running import run
from speechbrain_petl import InputError, count_parameters
from torch import nn
from toy import ToyBrain, network, toy_brain, train, vectors

import speechbrain as sb
from speechbrain.utils.checkpoints import Checkpointer

SGD = partial(torch.optim.SGD, lr=1.0)


class Drift(nn.Module):
    """A weight that grows with every step, whatever the data."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        """The weight, once for each clip."""
        return self.weight.expand(len(x))


class DriftBrain(ToyBrain):
    """One half of the clips wants a weight above 3, the other below 4."""

    def compute_objectives(self, predictions, batch, stage):
        """A loss whose gradient is -1."""
        if stage == sb.Stage.TEST:
            self.tested_weight = predictions[0].item()
        index = torch.tensor([int(name) for name in batch.id])
        good = torch.where(index % 2 == 0, predictions > 3, predictions < 4)
        logits = torch.stack([good, ~good], dim=1).float()
        self.score(logits, torch.zeros_like(index))
        return -predictions.mean()


def drift(folder, **options):
    """Two steps an epoch: the weight is 2.0, 3.5, 4.3 and 4.5 after each."""
    return toy_brain(
        folder, Drift(), DriftBrain, SGD, **{"epochs": 4, **options}
    )


def test_the_best_epoch_is_tested(tmp_path):
    brain = drift(tmp_path)
    result = train(brain, train=4, valid=6, test=4)
    seen = [epoch["valid"]["accuracy"] for epoch in result["history"]]
    assert seen == [0.5, 1.0, 0.5, 0.5]
    assert result["tested_epoch"] == 2
    assert result["metrics"]["accuracy"] == 1.0
    # four steps of a cosine over eight
    rates = [(1 + math.cos(math.pi * t / 8)) / 2 for t in range(8)]
    assert brain.tested_weight == pytest.approx(sum(rates[:4]))
    assert brain.modules.net.weight.item() == pytest.approx(sum(rates[:4]))
    kept = {c.meta["epoch"] for c in brain.checkpointer.list_checkpoints()}
    assert kept == {2, 4}


def test_the_last_epoch_is_tested_without_validation(tmp_path):
    result = train(drift(tmp_path), train=4, valid=0, test=4)
    assert result["tested_epoch"] == 4 and result["select"] is None
    assert result["metrics"]["accuracy"] == 0.5


def test_the_record_is_the_whole_run_s(tmp_path):
    """Though the tested checkpoint is an early one, and when run again."""
    result = train(drift(tmp_path), train=4, valid=6, test=4)
    assert [e["epoch"] for e in result["history"]] == [1, 2, 3, 4]
    assert result == json.loads((tmp_path / "result.json").read_text())
    for options in ({}, {"test_only": True}):
        again = train(drift(tmp_path, **options), train=4, valid=6, test=4)
        # the process that runs it again may need more memory
        assert again["peak_memory_mib"] >= result["peak_memory_mib"]
        measured = {k: again[k] for k in ("peak_memory_mib", "sha256")}
        assert again == {**result, **measured}


def test_no_clips_to_test_on(tmp_path):
    brain = toy_brain(tmp_path)
    brain.test_on = "valid"
    with pytest.raises(InputError, match="no clips to validate on, set ano"):
        train(brain, valid=0)


def test_losses_are_means_over_clips(tmp_path):
    """Not over batches, of which the last is smaller."""
    brain = toy_brain(tmp_path, epochs=1)
    result = train(brain, valid=5, batch_size=4)
    clips = [vectors(5, 2)[i] for i in range(5)]
    logits = brain.modules.net(torch.stack([c["x"] for c in clips]))
    targets = torch.tensor([c["target"] for c in clips])
    valid = result["history"][0]["valid"]
    loss = nn.functional.cross_entropy(logits, targets).item()
    assert valid["loss"] == pytest.approx(loss)
    hits = (logits.argmax(1) == targets).float().mean().item()
    assert valid["accuracy"] == pytest.approx(hits)


def test_the_schedule_is_a_cosine_to_zero(tmp_path):
    rates = []

    class Spy(ToyBrain):
        def optimizers_step(self):
            rates.append(self.optimizer.param_groups[0]["lr"])
            super().optimizers_step()

    brain = toy_brain(tmp_path, brain=Spy, epochs=3)
    train(brain, train=8, batch_size=2)
    expected = [0.05 * (1 + math.cos(math.pi * t / 12)) for t in range(12)]
    assert rates == pytest.approx(expected)
    assert brain.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def two_groups(parameters):
    """Each parameter a group of its own."""
    return SGD([{"params": [p]} for p in parameters])


def one_step(folder, **options):
    """The change of all weights in a step, and the gradient of the loss."""
    net = network()
    before = [p.detach().clone() for p in net.parameters()]
    clips = [vectors(2, 1)[i] for i in range(2)]
    x = torch.stack([c["x"] for c in clips])
    loss = nn.functional.cross_entropy(
        net(x), torch.tensor([c["target"] for c in clips])
    )
    gradient = torch.autograd.grad(loss, list(net.parameters()))
    train(toy_brain(folder, net, epochs=1, **options), train=2)
    change = [p - b for p, b in zip(net.parameters(), before)]
    return change, gradient


def test_clipping_covers_every_group(tmp_path):
    change, gradient = one_step(
        tmp_path, opt_class=two_groups, max_grad_norm=0.01
    )
    norm = math.sqrt(sum(g.square().sum().item() for g in gradient))
    assert norm > 0.1
    for step, g in zip(change, gradient):
        assert torch.allclose(step, -g * 0.01 / norm, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("limit", [-1.0, 0.0])
def test_no_clipping_does_not_reverse_the_gradient(tmp_path, limit):
    change, gradient = one_step(
        tmp_path, opt_class=two_groups, max_grad_norm=limit
    )
    for step, g in zip(change, gradient):
        assert torch.allclose(step, -g, rtol=1e-4, atol=1e-6)


class Infinite(ToyBrain):
    """The second batch's loss is not finite."""

    bad = float("nan")

    def compute_objectives(self, predictions, batch, stage):
        """Cross entropy, times something bad."""
        loss = super().compute_objectives(predictions, batch, stage)
        weights = [p.detach().clone() for p in self.modules.parameters()]
        if stage == sb.Stage.TRAIN:
            self.seen = [*getattr(self, "seen", ()), weights]
            if self.step == 2:
                loss = loss * self.bad
        return loss


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_left_out(tmp_path, bad):
    brain = toy_brain(
        tmp_path,
        brain=Infinite,
        epochs=1,
        opt_class=partial(torch.optim.AdamW, lr=0.1),
    )
    brain.bad = bad
    result = train(brain, train=8, batch_size=2)
    first, second, third, fourth = brain.seen
    assert all(torch.equal(a, b) for a, b in zip(second, third))
    assert not any(torch.equal(a, b) for a, b in zip(first, second))
    assert not any(torch.equal(a, b) for a, b in zip(third, fourth))
    assert all(p.isfinite().all() for p in brain.modules.parameters())
    assert math.isfinite(result["metrics"]["loss"])


def test_accumulation_is_a_larger_batch(tmp_path):
    nets = []
    for name, batch_size, factor in (("a", 4, 1), ("b", 2, 2)):
        nets.append(network())
        brain = toy_brain(
            tmp_path / name,
            nets[-1],
            opt_class=SGD,
            grad_accumulation_factor=factor,
        )
        train(brain, train=8, batch_size=batch_size)
        assert brain.optimizer_step == 4
    for one, other in zip(*(net.parameters() for net in nets)):
        assert torch.allclose(one, other, atol=1e-6)


def test_more_accumulation_than_batches(tmp_path):
    brain = toy_brain(tmp_path, grad_accumulation_factor=5)
    with pytest.raises(InputError, match="factor=5 is more than the 4 batc"):
        train(brain, train=8, batch_size=2)


def draws(brain, epoch, step, rank):
    """What dropout and augmentation would draw."""
    brain.epoch, brain.step, brain.rank = epoch, step, rank
    brain.on_fit_batch_start(None, True)
    return torch.rand(3).tolist()


def test_every_step_and_process_draws_anew(tmp_path):
    """And the same again when a run goes on."""
    brain, again = toy_brain(tmp_path), toy_brain(tmp_path)
    other = toy_brain(tmp_path, seed=2)
    places = [(e, s, r) for e in (1, 2) for s in (1, 2, 12) for r in (0, 1)]
    first = [draws(brain, *place) for place in places]
    assert len(set(map(tuple, first))) == len(places)
    assert [draws(again, *place) for place in reversed(places)] == first[::-1]
    assert all(draws(other, *p) != d for p, d in zip(places, first))


def test_dropout_does_not_change_the_order_of_the_clips(tmp_path):
    """Which clips a step sees depends on the seed and the epoch alone."""
    orders = []
    for net in (network(), network(nn.Dropout(0.5))):
        seen = []

        class Spy(ToyBrain):
            def fit_batch(self, batch, seen=seen):
                seen.append(tuple(batch.id))
                return super().fit_batch(batch)

        train(toy_brain(tmp_path / str(len(orders)), net, Spy))
        orders.append(seen)
    assert orders[0] == orders[1]
    assert orders[0][:4] != orders[0][4:]  # the second epoch's is another


def test_saving_often_costs_no_more_each_time(tmp_path):
    """SpeechBrain's own call makes a default argument grow."""
    names = Checkpointer.save_and_keep_only.__code__.co_varnames
    values = dict(zip(names[1:], Checkpointer.save_and_keep_only.__defaults__))
    before = len(values["importance_keys"])
    train(toy_brain(tmp_path, ckpt_interval_steps=1))
    assert len(values["importance_keys"]) == before


def test_checkpoints_hold_the_adapter_alone(esc50, tmp_path):
    """Growing the frozen encoder does not grow them."""
    sizes = {}
    for dim in (32, 256):
        output = tmp_path / str(dim)
        options = f"--ast_size=[{dim},1,2]", "--epochs=1", "--debug"
        run(esc50, output, *options, "--debug_persistently", method="linear")
        (folder,) = output.glob("save/CKPT+*")
        sizes[dim] = sum(f.stat().st_size for f in folder.iterdir())
    more = 4 * 3 * (2 + 10) * (256 - 32)  # LayerNorm and Linear, and AdamW's
    assert abs(sizes[256] - sizes[32] - more) < 1000


@pytest.mark.slow
def test_a_lora_checkpoint_of_ast_base_is_small(esc50, tmp_path):
    """All of it: adapter, head, optimizer and bookkeeping."""
    options = "--ast_size=base384", "--epochs=1", "--debug", "--batch_size=1"
    result = run(esc50, tmp_path, *options, "--debug_persistently")
    trainable = 223_000 + 10 * 769  # rank 6 of q and v, LayerNorm; head
    assert result["trainable_parameters"] == pytest.approx(trainable, rel=0.01)
    (folder,) = tmp_path.glob("save/CKPT+*")
    size = sum(f.stat().st_size for f in folder.iterdir())
    state = 3  # a value, and AdamW's two moments of it
    assert size < 1.1 * 4 * state * result["trainable_parameters"]
    assert result["adapter_bytes"] < 1.1 * 4 * result["trainable_parameters"]
    print(f"\nCKPT {size:,} bytes, adapter {result['adapter_bytes']:,} bytes")


def test_trainable_parameters_are_counted(tmp_path):
    net = network()
    net[0].requires_grad_(False)
    result = train(toy_brain(tmp_path, net, epochs=1))
    counts = result["trainable_parameters"], result["total_parameters"]
    assert counts == count_parameters(net) == (18, 58)


def test_checkpoints_within_an_epoch_take_no_place_of_an_average(tmp_path):
    """Without validation the last epochs are averaged, all of them."""
    brain = toy_brain(
        tmp_path,
        brain=partial(ToyBrain, average=3),
        epochs=6,
        ckpt_interval_steps=1,
    )
    assert train(brain, valid=0)["tested_epoch"] == [4, 5, 6]
    metas = [c.meta for c in brain.checkpointer.list_checkpoints()]
    assert sorted(meta.get("epoch", 0) for meta in metas) == [4, 5, 6]
