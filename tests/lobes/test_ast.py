"""The AST's own behaviour; its parity with others is in test_weights.py."""

import pytest
import torch
from benchmarks.child import live_tensors
from speechbrain_petl import AST, InputError
from speechbrain_petl.lobes import plain_block
from timm.models.vision_transformer import Block

TINY = (32, 2, 2)


@pytest.mark.parametrize(
    "options, grid",
    [
        ({"frames": 1024}, (12, 101)),
        ({"frames": 500}, (12, 49)),
        ({"frames": 1500}, (12, 149)),
        ({"frames": 1024, "fstride": 16, "tstride": 16}, (8, 64)),
        ({"frames": 100, "mels": 64, "tstride": 12}, (5, 8)),
        ({"frames": 16, "mels": 16}, (1, 1)),
    ],
)
def test_grid_and_tokens(options, grid):
    encoder = AST(TINY, **options)
    x = torch.randn(2, options["frames"], options.get("mels", 128))
    assert encoder.grid == grid
    assert encoder(x).shape == (2, 2 + grid[0] * grid[1], 32)


@pytest.mark.parametrize(
    "size, millions",
    [("tiny224", 5.62), ("small224", 21.86), ("base224", 86.19)],
)
def test_sizes(size, millions):
    with torch.device("meta"):
        encoder = AST(size)
    count = sum(p.numel() for p in encoder.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.01)


def test_order_of_the_patches():
    """Changing the last frame and the lowest mel moves only those patches."""
    encoder = AST(TINY, frames=56)
    x = torch.randn(1, 56, 128)
    late, low = x.clone(), x.clone()
    late[:, 51:], low[:, :, :5] = 0, 0
    moved = [
        (encoder.embed(y) - encoder.embed(x)).abs().amax(2)[0, 2:] > 0
        for y in (late, low)
    ]
    grid = torch.zeros(encoder.grid, dtype=bool)
    grid[:, -1] = True
    assert torch.equal(moved[0].view(encoder.grid), grid)
    grid = torch.zeros(encoder.grid, dtype=bool)
    grid[0] = True
    assert torch.equal(moved[1].view(encoder.grid), grid)


def test_position_matters():
    encoder = AST(TINY, frames=56).eval()
    x = torch.randn(1, 56, 128)
    assert (encoder(x).mean(1) - encoder(x.flip(1)).mean(1)).abs().max() > 1e-4


def test_gradient_checkpointing_keeps_less():
    """The blocks' inputs, and if selective what is dear."""
    x, most = torch.randn(8, 64, 128), {}
    for level in (False, "selective", True):
        encoder = AST((64, 12, 2), frames=64, gradient_checkpointing=level)
        most[level] = live_tensors(lambda e=encoder: e(x).sum().backward())
    assert most["selective"] < 0.75 * most[False]
    assert most[True] < 0.35 * most[False]


@pytest.mark.parametrize("level", [True, "selective"])
def test_gradient_checkpointing_changes_nothing_but_memory(level):
    torch.manual_seed(0)
    plain = AST(TINY, frames=64)
    saving = AST(TINY, frames=64, gradient_checkpointing=level)
    saving.load_state_dict(plain.state_dict())
    x = torch.randn(2, 64, 128)
    for encoder in (plain, saving):
        encoder(x).square().sum().backward()
    for a, b in zip(plain.parameters(), saving.parameters()):
        assert torch.allclose(a.grad, b.grad, atol=1e-6)


def test_blocks_are_timms():
    for block in AST(TINY, frames=64).blocks:
        assert type(block) is Block


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_plain_block_computes_as_timms(dropout):
    """A training step of what leaves this package, bit by bit."""
    torch.manual_seed(0)
    norm = {"proj_drop": dropout, "norm_layer": torch.nn.LayerNorm}
    theirs = Block(32, 2, qkv_bias=True, **norm).train()
    ours = plain_block.Block(32, 2, **norm).train()
    ours.load_state_dict(theirs.state_dict())
    x, found = torch.randn(8, 10, 32), []
    for block in (theirs, ours):
        torch.manual_seed(1)
        y = block(x)
        y.square().sum().backward()
        found.append([y, *(p.grad for p in block.parameters())])
    for a, b in zip(*found):
        assert torch.equal(a, b)


def test_patch_dropout_in_training_only():
    encoder = AST(TINY, frames=64, patch_dropout=0.5)
    x = torch.randn(2, 64, 128)
    assert encoder(x).shape == (2, 2 + 30, 32)
    assert encoder.eval()(x).shape == (2, 2 + 60, 32)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"size": "base"}, "base224"),
        ({"size": [32, 2, 5]}, "multiple of heads"),
        ({"size": [32, 2]}, "dim, depth, heads"),
        ({"size": TINY, "frames": 15}, "at least 16"),
        ({"size": TINY, "mels": 8}, "at least 16"),
        ({"gradient_checkpointing": "all"}, "'all' is neither"),
        *(
            ({"source_input": given}, "source_input=.*: give .frames, fst")
            for given in (312, "312", [312, 10], [0, 10, 10], [312, "a", 10])
        ),
    ],
)
def test_wrong_sizes(arguments, message):
    with pytest.raises(InputError, match=message):
        AST(**arguments)


def test_wrong_input():
    with pytest.raises(InputError, match=r"\(64, 128\).*\(65, 128\)"):
        AST(TINY, frames=64)(torch.randn(2, 65, 128))
