"""Wrappers around what changes the width of tokens, on others' encoders."""

from functools import partial

import pytest
import torch
from foreign_encoders import BLOCKS, HALVES, features, transformers_whisper
from speechbrain_petl import (
    IA3,
    SSF,
    AdaptedEncoder,
    Adapter,
    Bottleneck,
    DoRA,
    InputError,
    LoRA,
    Prefix,
    Prompt,
    SoftMoA,
    WeightedLayers,
)
from speechbrain_petl.adapters.widths import output_width_of, width_of
from torch import nn

SMALL = partial(Bottleneck, width=4)
NARROW, WIDE = 32, 64
BLOCKS_THAT_FIT = {
    "bottleneck": SMALL,
    "moa": partial(SoftMoA, expert=SMALL, experts=2),
}
# half of a feed-forward -> (where, width of the tokens there)
THERE = [
    (0, "before", NARROW),
    (0, "after", WIDE),
    (1, "before", WIDE),
    (1, "after", NARROW),
]
each_encoder = pytest.mark.parametrize(
    "make", HALVES, ids=lambda make: make.__name__
)


def trains(adapted, x):
    """Whether every trained parameter has a gradient, in two steps."""
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.01)
    for _ in range(2):
        optimiser.zero_grad()
        y = features(adapted.train()(x))
        (y * torch.randn(y.shape)).sum().backward()
        optimiser.step()
    return all(p.grad.count_nonzero() for p in trained)


def adapted(make, wrap):
    """An adapted encoder, what it takes, and what it first returned."""
    torch.manual_seed(0)
    encoder, x = make()
    with torch.no_grad():
        expected = features(encoder.eval()(x))
    return AdaptedEncoder(encoder, wrap), x, expected


@each_encoder
@pytest.mark.parametrize("half, where, width", THERE)
@pytest.mark.parametrize("block", BLOCKS_THAT_FIT)
def test_before_and_after(make, half, where, width, block):
    """An adapter has the width that tokens have where it is."""
    block = BLOCKS_THAT_FIT[block]
    wrap = {HALVES[make][half]: partial(Adapter, block=block, where=where)}
    encoder, x, expected = adapted(make, wrap)
    blocks = [m.block for m in encoder.modules() if isinstance(m, Adapter)]
    assert len(blocks) == 2
    for block in blocks:
        assert block(torch.zeros(1, 3, width)).shape == (1, 3, width)
    torch.testing.assert_close(features(encoder.eval()(x)), expected)
    assert trains(encoder, x)


@each_encoder
@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(
    "wrapper", [partial(Adapter, block=SMALL), Prompt], ids=["beside", "prompt"]
)
def test_beside_is_refused_by_name(make, half, wrapper):
    """Nothing fits beside what changes the width; the site is named."""
    site = HALVES[make][half]
    first = site.replace("?", r"[01]")
    widths = (WIDE, NARROW) if half == 0 else (NARROW, WIDE)
    message = (
        f"petl: wrap: {first}: this .* makes tokens of {widths[0]} numbers"
    )
    with pytest.raises(InputError, match=message):
        adapted(make, {site: wrapper})


@each_encoder
def test_other_wrappers_around_halves(make):
    """SSF has the width of the output, and may be wrapped in turn."""
    for half, width in ((0, WIDE), (1, NARROW)):
        encoder, x, expected = adapted(make, {HALVES[make][half]: SSF})
        wrappers = [m for m in encoder.modules() if isinstance(m, SSF)]
        assert {len(w.scale) for w in wrappers} == {width}
        torch.testing.assert_close(features(encoder.eval()(x)), expected)
        assert trains(encoder, x)


@each_encoder
def test_adapters_around_wrapped_projections(make):
    """Their widths are those of what was wrapped, not of the wrappers."""
    halves = HALVES[make]
    wrap = {
        **dict.fromkeys(
            ["*.fc1", "*.fc2"]
            if make is transformers_whisper
            else ["*.layer.?.*.dense"],
            partial(LoRA, rank=2),
        ),
        BLOCKS[make]: partial(Adapter, block=SMALL),
    }
    if make is not transformers_whisper:
        wrap[halves[1]] = partial(Adapter, block=SMALL, where="after")
    encoder, x, expected = adapted(make, wrap)
    torch.testing.assert_close(
        features(encoder.eval()(x)), expected, atol=1e-5, rtol=1e-5
    )
    assert trains(encoder, x)


@pytest.mark.parametrize("wrapper", [LoRA, DoRA, IA3])
def test_wrappers_of_linears_on_something_else(wrapper):
    site = "layers.?.self_attn"
    with pytest.raises(
        InputError,
        match=rf"layers.\d.self_attn: {wrapper.__name__} wraps a Linear, and "
        "this is a WhisperAttention",
    ):
        adapted(transformers_whisper, {site: wrapper})


@pytest.mark.parametrize(
    "wrapper", [WeightedLayers, Prompt, partial(Adapter, block=SMALL)]
)
def test_a_list_that_is_never_called(wrapper):
    """A wrapper around it would never run, or break the loop over it."""
    with pytest.raises(InputError, match="layers: this ModuleList is never"):
        adapted(transformers_whisper, {"layers": wrapper})


def test_prefix_on_something_else():
    with pytest.raises(InputError, match="wrap: layers.[01].fc1: .*Linear"):
        adapted(transformers_whisper, {"layers.?.fc1": Prefix})


class Gated(nn.Module):
    """An attention with a gate of one head, as WavLM's, registered last."""

    def __init__(self):
        super().__init__()
        self.k_proj, self.out_proj = nn.Linear(32, 32), nn.Linear(32, 32)
        self.gate = nn.Linear(16, 8)


@pytest.mark.parametrize(
    "module, widths",
    [
        (nn.Linear(32, 64), (32, 64)),
        (nn.LayerNorm(32), (32, 32)),
        (nn.Sequential(nn.GELU(), nn.Linear(32, 64)), (32, 64)),
        (Gated(), (32, 32)),
        (nn.TransformerEncoderLayer(32, 2, 64), (32, 32)),
        (Adapter(nn.Linear(32, 64), SMALL, where="after"), (32, 64)),
        (LoRA(nn.Linear(32, 64)), (32, 64)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_widths(module, widths):
    assert (width_of(module), output_width_of(module)) == widths
