"""A frozen feed-forward: the same numbers, less kept."""

import copy

import pytest
import torch
from benchmarks.child import live_tensors
from speechbrain_petl import AST, AdaptedEncoder, LoRA
from speechbrain_petl.lobes import feed_forward
from speechbrain_petl.lobes.feed_forward import (
    STEEPEST,
    CpuFeedForward,
    FeedForward,
)
from speechbrain_petl.lobes.recompute import normalised
from torch import nn

LORA = {"blocks.*.attn.qkv": LoRA}


def frozen(dim=32, hidden=128, **options):
    torch.manual_seed(0)
    return FeedForward(dim, hidden, **options).requires_grad_(False)


def plain(mlp, x):
    return mlp.fc2(mlp.act(mlp.fc1(x)))


@pytest.mark.parametrize("rows", [1, 7, 30, 1024])
def test_equals_its_modules(rows, monkeypatch):
    """Output within rounding, gradient to what 16 bits hold, all chunks."""
    monkeypatch.setattr(feed_forward, "PRODUCT", rows * 128)
    monkeypatch.setattr(feed_forward, "PASS", (rows + 1) // 2 * 128)
    mlp, x = frozen(), torch.randn(3, 10, 32, requires_grad=True)
    weights = torch.randn(3, 10, 32)
    y, expected = mlp(x), plain(mlp, x)
    assert type(y.grad_fn).__name__ != type(expected.grad_fn).__name__
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-6)
    (grad,) = torch.autograd.grad(y, x, weights)
    (wanted,) = torch.autograd.grad(expected, x, weights)
    assert (grad - wanted).norm() < 1e-4 * wanted.norm()
    assert not torch.equal(grad, wanted)


def test_slopes_fit():
    """The largest and the smallest slope of GELU are within the 16 bits."""
    x = torch.linspace(-6, 6, 100_001, requires_grad=True)
    nn.functional.gelu(x).sum().backward()
    assert 0.99 * STEEPEST < x.grad.abs().max() < STEEPEST
    # and each comes back within half a unit: one hidden unit for each x
    one, none = torch.ones(1, 1), torch.zeros(1)
    z = x.detach()[:, None].requires_grad_()
    CpuFeedForward.apply(z, one, none, one, none).sum().backward()
    assert (z.grad[:, 0] - x.grad).abs().max() < 1.8e-5


def test_where_it_is_as_timms():
    """Training, wrapped, dropping out, in bf16, without a gradient."""
    x = torch.randn(2, 10, 32, requires_grad=True)

    def own(mlp, x=x):
        return type(mlp(x).grad_fn).__name__ == "CpuFeedForwardBackward"

    assert own(frozen()) and own(frozen(drop=0.1).eval())
    trained, wrapped = frozen(), frozen()
    trained.fc2.bias.requires_grad_()
    wrapped.fc1 = LoRA(wrapped.fc1, rank=2)
    other = frozen(act_layer=nn.ReLU)
    for mlp in (trained, wrapped, other, frozen(drop=0.1)):
        assert not own(mlp)
    assert not own(frozen(), x.detach())
    with torch.autocast("cpu", torch.bfloat16):
        assert not own(frozen())
    with torch.no_grad():
        assert torch.equal(frozen()(x), plain(frozen(), x))


def adapted(**options):
    torch.manual_seed(0)
    encoder = AST((64, 6, 2), frames=64, **options)
    return AdaptedEncoder(encoder, LORA, ["norm.*"])


def test_adapted_encoder_trains_alike(monkeypatch):
    """LoRA's gradients, against blocks that keep all there is to keep."""
    saving, keeping = adapted(), adapted()
    for block in keeping.encoder.blocks:
        block.recompute = True  # what the block's own savings are left for
        block.mlp.forward = lambda x, mlp=block.mlp: plain(mlp, x)
    x, grads = torch.randn(2, 64, 128), []
    for encoder in (saving, keeping):
        for name, parameter in encoder.named_parameters():
            if "up" in name:  # zero at the start, and so are gradients
                nn.init.normal_(
                    parameter, generator=torch.Generator().manual_seed(1)
                )
        encoder(x).square().sum().backward()
        grads.append([p.grad for p in encoder.parameters() if p.requires_grad])
    for a, b in zip(*grads):
        assert (a - b).norm() <= 1e-4 * b.norm()


def test_adapted_encoder_keeps_less(monkeypatch):
    """A quarter less than blocks that keep all."""
    for name in ("PRODUCT", "PASS"):
        monkeypatch.setattr(feed_forward, name, 64 * 256)
    x, most = torch.randn(8, 64, 128), []
    saving, keeping = adapted(), adapted()
    for block in keeping.encoder.blocks:
        block.recompute = True
        block.mlp.forward = lambda x, mlp=block.mlp: plain(mlp, x)
    for encoder in (saving, keeping):
        most.append(live_tensors(lambda e=encoder: e(x).sum().backward()))
    assert most[0] < 0.75 * most[1]


@pytest.mark.parametrize("trains", [False, True])
def test_normalised_again(trains):
    """Gradients to the last bit, of the LayerNorm's weights too."""
    norm, down = nn.LayerNorm(32).requires_grad_(trains), nn.Linear(32, 8)
    nn.init.normal_(norm.weight)
    x = torch.randn(2, 10, 32, requires_grad=True)
    learned = [p for m in (norm, down) for p in m.parameters()]
    wanted = [p for p in (x, *learned) if p.requires_grad]
    expected = torch.autograd.grad(down(norm(x)).square().sum(), wanted)
    with normalised(norm, x) as y:
        loss = down(y).square().sum()
    for a, b in zip(torch.autograd.grad(loss, wanted), expected):
        assert torch.equal(a, b)


def test_normalised_is_not_kept():
    """Nor is any other module's output computed twice."""
    norm, calls = nn.LayerNorm(32), []
    norm.register_forward_hook(lambda *_: calls.append(1))
    x = torch.randn(2, 10, 32, requires_grad=True)
    with normalised(norm, x) as y:
        loss = nn.Linear(32, 8)(y).sum()
    loss.backward()
    assert len(calls) == 2
    norm = nn.Sequential(copy.deepcopy(norm))
    with normalised(norm, x) as y:
        loss = nn.Linear(32, 8)(y).sum()
    loss.backward()
    assert len(calls) == 3
