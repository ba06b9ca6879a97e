"""ConformerConvolution, Convpass and TokenMixer, whose convolutions are used."""

from functools import partial

import pytest
import torch
from adapter_numbers import DIM, scrambled, tokens
from speechbrain_petl.adapters.adapted import AdaptedEncoder
from speechbrain_petl.adapters.adapter import Adapter
from speechbrain_petl.adapters.convolution import ConformerConvolution, Convpass
from speechbrain_petl.adapters.look_aside import LookAside
from speechbrain_petl.adapters.masks import padding_mask, token_mask
from speechbrain_petl.adapters.mixer import TokenMixer
from speechbrain_petl.errors import InputError
from torch import nn
from torch.nn import functional as F

from speechbrain.lobes.models.transformer.Conformer import ConvolutionModule


@pytest.mark.parametrize("kernel", [1, 5, 31])
def test_conformer_equals_speechbrains_convolution_module(kernel):
    """At full width and without their different norms in the middle."""
    ours = scrambled(ConformerConvolution(DIM, width=DIM, kernel=kernel))
    theirs = ConvolutionModule(DIM, kernel).eval()
    theirs.layer_norm.load_state_dict(ours.norm.state_dict())
    pointwise = theirs.bottleneck[0]
    pointwise.weight.data = ours.expand.weight.data.unsqueeze(2)
    pointwise.bias.data = ours.expand.bias.data
    theirs.conv.load_state_dict(ours.depthwise.state_dict())
    theirs.after_conv[2].load_state_dict(ours.project.state_dict())
    theirs.after_conv[0] = ours.batch_norm = nn.Identity()
    torch.testing.assert_close(ours(tokens()), theirs(tokens()))


@pytest.mark.parametrize("kernel", [1, 2, 8, 9, 31])
@pytest.mark.parametrize("block", [ConformerConvolution, TokenMixer])
def test_kernels_keep_the_length_and_reach_as_far_as_they_say(block, kernel):
    """A token reaches `kernel` tokens, about as many on either side."""
    # in double precision no activation is flat where it saturates
    module = scrambled(block(DIM, width=4, kernel=kernel)).double()
    x = torch.randn(1, 80, DIM).double()
    moved = x.clone()
    moved[0, 40] += torch.randn(DIM)  # a constant would be normed away
    changed = (module(moved) - module(x)).abs().sum(-1)[0].nonzero().flatten()
    assert module(x).shape == x.shape
    assert len(changed) == kernel
    assert abs((changed[0] + changed[-1]) / 2 - 40) <= 0.5


def test_convpass_uses_its_convolution_on_the_grid():
    """A patch reaches its eight neighbours, a class token only itself."""
    rows, columns = 4, 5
    block = Convpass(DIM, width=6, rows=rows)
    start = Convpass(DIM, width=6, rows=rows)
    block = scrambled(block)
    x = torch.randn(1, 2 + rows * columns, DIM)
    moved = x.clone()
    moved[0, 2 + 1 * columns + 2] += 1.0  # row 1, column 2
    changed = (block(moved) - block(x)).abs().sum(-1)[0].nonzero().flatten()
    neighbours = [2 + r * columns + c for r in (0, 1, 2) for c in (1, 2, 3)]
    assert changed.tolist() == neighbours
    moved = x.clone()
    moved[0, 1] += 1.0
    changed = (block(moved) - block(x)).abs().sum(-1)[0].nonzero().flatten()
    assert changed.tolist() == [1]
    h = F.gelu(start.down(x))
    torch.testing.assert_close(start._on_grid(h), h)  # starts as identity
    with pytest.raises(InputError, match="21 patches.*rows=4"):
        block(torch.randn(1, 23, DIM))


ON_GRID = pytest.mark.parametrize(
    "block",
    [
        partial(Convpass, width=6),
        partial(LookAside, width=6, axis="frequency"),
        partial(LookAside, width=6, axis="time"),
    ],
)


@ON_GRID
@pytest.mark.parametrize("class_tokens", [0, 1, 2])
def test_a_grid_that_is_listed_by_time(block, class_tokens):
    """The same patches in another order are convolved as they were."""
    rows, columns = 4, 5
    block = partial(block, DIM, rows=rows, class_tokens=class_tokens)
    by_rows, by_time = scrambled(block()), block(by_time=True).eval()
    by_time.load_state_dict(by_rows.state_dict())
    x = torch.randn(2, class_tokens + rows * columns, DIM)
    places = torch.arange(rows * columns).view(rows, columns).T.flatten()
    order = torch.cat([torch.arange(class_tokens), class_tokens + places])
    expected = by_rows(x)[:, order]
    torch.testing.assert_close(by_time(x[:, order]), expected)


@ON_GRID
def test_the_padding_of_a_grid_is_not_seen(block):
    """Columns behind the end of a clip are as good as absent."""
    block = scrambled(block(DIM, rows=4, class_tokens=1, by_time=True))
    x, count = torch.randn(2, 1 + 4 * 5, DIM), 1 + 4 * 3
    with padding_mask(token_mask(torch.tensor([21, count]), 21)):
        padded = block(x)
    torch.testing.assert_close(padded[0], block(x[:1])[0])
    torch.testing.assert_close(padded[1, :count], block(x[1:, :count])[0])


@pytest.mark.parametrize("block", [ConformerConvolution, Convpass])
@pytest.mark.parametrize("kernel", [0, -3, 2.5])
def test_a_kernel_is_a_number_of_tokens(kernel, block):
    wrap = {"*": partial(Adapter, block=partial(block, width=4, kernel=kernel))}
    message = f"block: kernel={kernel}: give a whole number, 1 or more"
    with pytest.raises(InputError, match=message):
        AdaptedEncoder(nn.Sequential(nn.Linear(DIM, DIM)), wrap=wrap)


@pytest.mark.parametrize("rows", [None, 4])
def test_convpass_has_a_centre(rows):
    """An even kernel made other tokens, which nothing can be added to."""
    with pytest.raises(InputError, match="kernel=4: give an odd number"):
        Convpass(DIM, width=4, kernel=4, rows=rows)
