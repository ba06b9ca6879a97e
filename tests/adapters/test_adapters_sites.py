"""Adapter, Shared and WeightedLayers against their formulas."""

from functools import partial

import pytest
import torch
from adapter_methods import tiny_ast
from adapter_numbers import DIM, TOKENS, scrambled, softmax, tokens
from speechbrain_petl.adapters.adapted import AdaptedEncoder
from speechbrain_petl.adapters.adapter import Adapter
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.mixer import Shared, TokenMixer
from speechbrain_petl.adapters.probe import WeightedLayers
from speechbrain_petl.errors import InputError
from torch import nn


@pytest.mark.parametrize(
    "where, residual, formula",
    [
        ("parallel", None, lambda f, a, x: f(x) + a(x)),
        ("parallel", True, lambda f, a, x: f(x) + a(x) + x),
        ("before", None, lambda f, a, x: f(x + a(x))),
        ("before", False, lambda f, a, x: f(a(x))),
        ("after", None, lambda f, a, x: f(x) + a(f(x))),
        ("after", False, lambda f, a, x: a(f(x))),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_adapter_places(where, residual, formula, scale):
    """The six placements of the ablation, with and without a scale."""
    target = nn.Linear(DIM, DIM)
    adapter = scrambled(
        Adapter(target, Bottleneck, where, residual, scale=scale)
    )
    x, block = tokens(), adapter.block
    expected = formula(target, lambda x: scale * block(x), x)
    torch.testing.assert_close(adapter(x), expected)


def test_adapter_passes_on_arguments_and_tuples():
    """A module with a mask that returns its weights too."""

    class Masked(nn.Module):
        """Returns a tuple, as attentions of other libraries do."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(DIM, DIM)

        def forward(self, x, mask=None):
            """Double what the mask says."""
            return self.linear(x) + mask, "weights"

    adapter = scrambled(Adapter(Masked(), Bottleneck))
    x, mask = tokens(), torch.ones(TOKENS, 1)
    y, weights = adapter(x, mask=mask)
    expected = adapter.pretrained_module(x, mask)[0] + adapter.block(x)
    torch.testing.assert_close(y, expected)
    assert weights == "weights"


def test_adapter_errors_name_the_remedy():
    """A wrong place, an instance for a callable, an unknown width."""
    with pytest.raises(InputError, match="where='parall'.*parallel"):
        Adapter(nn.Linear(DIM, DIM), Bottleneck, "parall")
    with pytest.raises(InputError, match="!name: instead of !new:"):
        Adapter(nn.Linear(DIM, DIM), Bottleneck(DIM))
    with pytest.raises(InputError, match="GELU.*set dim"):
        Adapter(nn.GELU(), Bottleneck)
    adapter = Adapter(nn.GELU(), Bottleneck, dim=DIM)
    assert adapter.block.down.in_features == DIM
    with pytest.raises(InputError, match="activation='gelo'.*gelu"):
        Bottleneck(DIM, activation="gelo")


def test_shared_parts_are_one():
    """Two sites of one width share, another width does not."""
    factory = Shared(partial(TokenMixer, width=4), parts=["down", "up"])
    first, second, wide = factory(dim=DIM), factory(dim=DIM), factory(dim=32)
    assert first.down is second.down and first.up is second.up
    assert first.filters is not second.filters
    assert wide.down is not first.down


def test_what_is_shared_is_an_encoders_own():
    """Two of one mapping, as those of two folds, have nothing in common."""
    block = Shared(partial(TokenMixer, width=4), parts=["down", "up"])
    wrap = {
        "blocks.*.attn": partial(Adapter, block=block),
        "blocks.*.mlp": partial(Adapter, block=block),
    }
    one, other = (AdaptedEncoder(tiny_ast(), wrap) for _ in range(2))
    assert not {*one.parameters()} & {*other.parameters()}
    ups = {m.up for m in one.modules() if isinstance(m, TokenMixer)}
    assert len(ups) == 1


class TwoSided(nn.Identity):
    """A block of someone else, whose words have other meanings."""

    def __init__(self, dim, kernel):
        super().__init__()


def test_a_strangers_sizes_are_the_strangers():
    wrap = {
        "blocks.*.mlp": partial(Adapter, block=partial(TwoSided, kernel=(3, 5)))
    }
    assert AdaptedEncoder(tiny_ast(), wrap)


def test_weighted_layers_is_a_softmax_weighted_sum():
    """Of every block's output."""
    blocks = nn.Sequential(*[nn.Linear(DIM, DIM) for _ in range(3)])
    probe = scrambled(WeightedLayers(blocks))
    x = tokens()
    outputs = [blocks[: i + 1](x) for i in range(3)]
    weights = softmax(probe.logits)
    expected = sum(w * h for w, h in zip(weights, outputs))
    torch.testing.assert_close(probe(x), expected)
    with pytest.raises(InputError, match="Linear is no stack"):
        WeightedLayers(nn.Linear(DIM, DIM))
