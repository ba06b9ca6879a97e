"""Token merging in evaluation: what becomes one, and what comes back."""

import threading

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from speechbrain_petl import AST, AdaptedEncoder
from speechbrain_petl.errors import InputError
from speechbrain_petl.lobes.merge_tokens import merge_tokens
from speechbrain_petl.lobes.merging import MergingBlocks, merge_pairs
from torch import nn

SIZE = (32, 4, 2)
# needs the tokens of each layer, or all patches of a clip on their grid
UNSUITED = {"weighted_layers", "gated_probe", "convpass_grid", "loaa"}


def deep_ast(ratio=0.0, **options):
    """An AST of four blocks."""
    torch.manual_seed(0)
    return AST(SIZE, frames=64, token_merging=ratio, **options)


class Lengths(nn.Module):
    """A block that notes how many tokens it is given."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, x):
        """Tokens as they are."""
        self.seen.append(x.shape[1])
        return x


@pytest.mark.parametrize(
    "ratio, lengths",
    [(0.0, [62, 62, 62, 62]), (0.5, [62, 52, 42, 32]), (0.9, [62, 44, 26, 14])],
)
def test_lengths(ratio, lengths):
    """As many at each block; never more than half at a time."""
    seen = []
    blocks = MergingBlocks(*(Lengths(seen) for _ in range(4)), ratio=ratio)
    x = torch.randn(2, 62, 8)
    assert blocks.eval()(x).shape == x.shape
    assert seen == lengths
    seen.clear()
    assert torch.equal(blocks.train()(x), x) and seen == [62] * 4


@pytest.mark.parametrize("count", [1, 3, 5])
def test_merge(count):
    """Sums and sizes stay; each token is where `index` says; classes stay."""
    torch.manual_seed(count)
    x, size = torch.randn(2, 2 + 11, 8), torch.rand(2, 2 + 11, 1) + 1
    y, sizes, index = merge_pairs(x, size, count)
    assert y.shape == (2, 13 - count, 8) and sizes.shape == (2, 13 - count, 1)
    torch.testing.assert_close(y[:, :2], x[:, :2])
    torch.testing.assert_close((y * sizes).sum(1), (x * size).sum(1))
    for clip in range(2):
        for token in range(len(y[clip])):
            members = index[clip] == token
            total = (x * size)[clip, members].sum(0)
            mass = size[clip, members].sum(0)
            torch.testing.assert_close(y[clip, token], total / mass)
            torch.testing.assert_close(sizes[clip, token], mass)


def test_the_most_similar_are_merged():
    """Patches 1 and 4 are alike, and far from the others."""
    x = torch.eye(8)[None, :7].repeat(1, 1, 1)
    x[0, 2 + 4] = 2 * x[0, 2 + 1]
    _, _, index = merge_pairs(x, torch.ones(1, 7, 1), 1)
    assert index[0, 2 + 4] == index[0, 2 + 1]
    assert len(index.unique()) == 6


def test_equal_tokens_lose_nothing():
    """Where patches repeat, merging them changes hardly a token."""
    ast = deep_ast().eval()
    tokens = ast.embed(spectrograms(2))
    tokens = torch.cat(
        [tokens[:, :2], tokens[:, 2::2].repeat_interleave(2, 1)], 1
    )
    expected = ast.blocks(tokens)
    merge_tokens(ast, 0.1)  # 6 of 30 pairs
    actual = ast.blocks(tokens)
    assert not torch.equal(actual, expected)
    # a merged token counts once in attention: the difference is small
    assert (actual - expected).abs().max() < 0.05 * expected.abs().max()


def test_training_and_no_ratio_change_nothing():
    x = spectrograms()
    plain, merging = deep_ast(), deep_ast(0.5)
    assert torch.equal(merging.train()(x), plain.train()(x))
    assert torch.equal(deep_ast(0.0).eval()(x), plain.eval()(x))
    merged, expected = merging.eval()(x), plain.eval()(x)
    assert merged.shape == expected.shape
    assert not torch.equal(merged, expected)
    assert plain.state_dict().keys() == merging.state_dict().keys()


@pytest.mark.parametrize("name", METHODS)
def test_every_method(name):
    """By the yaml (in the AST) and afterwards, the same; each clip alone."""
    x = spectrograms()
    if name in UNSUITED:
        with pytest.raises(InputError):
            METHODS[name].adapt(tiny_ast(token_merging=0.5)).eval()(x)
        return
    adapted = METHODS[name].adapt(tiny_ast(token_merging=0.5)).eval()
    later = METHODS[name].adapt(tiny_ast()).eval()
    expected = later(x)
    merge_tokens(later, ratio=0.5)
    merged = adapted(x)
    assert torch.equal(later(x), merged)
    assert merged.shape == expected.shape
    assert not torch.equal(merged, expected)
    torch.testing.assert_close(adapted(x[1:2]), merged[1:2], atol=1e-5, rtol=0)
    assert torch.equal(merge_tokens(later, ratio=0)(x), expected)


def test_bf16_merges_alike():
    """The mean tokens to 15 %, since some pair is another."""
    ast, x = deep_ast(0.25).eval(), spectrograms()
    expected = ast(x)
    with torch.autocast("cpu", torch.bfloat16):
        actual = ast(x)
    actual, expected = actual.mean(1), expected.mean(1)
    assert (actual - expected).norm() < 0.15 * expected.norm()


def test_threads_do_not_mix():
    """What is where belongs to the call."""
    ast = deep_ast(0.5).eval()
    clips = [spectrograms(2, seed=n) for n in range(4)]
    expected, found = [ast(x) for x in clips], {}

    def work(number):
        for _ in range(5):
            found[number] = ast(clips[number])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, tokens in enumerate(expected):
        assert torch.equal(found[number], tokens)


@pytest.mark.slow
def test_compiled():
    torch._dynamo.reset()
    ast = deep_ast(0.5).eval()
    compiled = torch.compile(ast, fullgraph=True, backend="eager")
    x = spectrograms()
    torch.testing.assert_close(compiled(x), ast(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("ratio", [-0.1, 0.95, 1])
def test_wrong_ratios(ratio):
    with pytest.raises(InputError, match=f"token_merging={ratio} of 4 blocks"):
        deep_ast(ratio)
    with pytest.raises(InputError, match=f"token_merging={ratio} of 4 blocks"):
        merge_tokens(deep_ast(), ratio)


def test_wrong_encoders():
    with pytest.raises(InputError, match="of 1 blocks"):
        AST((32, 1, 2), frames=64, token_merging=0.5)
    with pytest.raises(InputError, match="Linear is no AST"):
        merge_tokens(nn.Linear(2, 2))
    probe = METHODS["weighted_layers"].adapt(tiny_ast())
    with pytest.raises(InputError, match="WeightedLayers needs all tokens"):
        merge_tokens(probe)
    assert isinstance(probe, AdaptedEncoder)
