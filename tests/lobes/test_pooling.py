"""The five poolings of https://arxiv.org/abs/2312.03694."""

import pytest
import torch
from speechbrain_petl.errors import InputError
from speechbrain_petl.lobes.pooling import MODES, NormLinear, Pooling

PATCHES, PROMPTS = 4, 3


@pytest.mark.parametrize(
    "mode, chosen",
    [
        ("cls", [0, 1]),
        ("patches", [2, 3, 4, 5]),
        ("prompts", [6, 7, 8]),
        ("prompts+patches", [2, 3, 4, 5, 6, 7, 8]),
        ("all", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_pooling_averages_the_chosen_tokens(mode, chosen):
    """Class tokens first, prompts last, patches between."""
    tokens = torch.randn(2, 2 + PATCHES + PROMPTS, 6)
    expected = torch.stack([tokens[:, i] for i in chosen]).mean(0)
    pooled = Pooling(mode, prompts=PROMPTS)(tokens)
    torch.testing.assert_close(pooled, expected)


def test_speech_and_all_without_prompts():
    """Without prompts, the speech reaches to the end."""
    tokens = torch.randn(2, 2 + PATCHES, 6)
    speech = Pooling("patches")(tokens)
    torch.testing.assert_close(speech, tokens[:, 2:].mean(1))
    torch.testing.assert_close(Pooling()(tokens), tokens.mean(1))


def test_all_modes_are_tested():
    """Five modes; a sixth must be added above."""
    assert len(MODES) == 5


def test_wrong_values_are_explained():
    """The message names the value and the remedy."""
    with pytest.raises(InputError, match="'patchs'.*Did you mean patches"):
        Pooling("patchs")
    with pytest.raises(InputError, match="mode='prompts'.*keep=True"):
        Pooling("prompts")


def test_norm_linear_is_layer_norm_and_linear():
    """The head of the original AST, with its names 0 and 1."""
    head = NormLinear(6, 4)
    x = torch.randn(3, 6)
    normed = (x - x.mean(1, keepdim=True)) / x.std(
        1, keepdim=True, unbiased=False
    )
    expected = normed @ head[1].weight.T + head[1].bias
    torch.testing.assert_close(head(x), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "old, new", [("speech", "patches"), ("prompts+speech", "prompts+patches")]
)
def test_old_names_of_modes(old, new):
    """With a warning that says the new one."""
    with pytest.warns(
        FutureWarning, match=f"{old!r} write {new!r}".replace("+", r"\+")
    ):
        pooling = Pooling(old, prompts=3)
    assert pooling.tokens == Pooling(new, prompts=3).tokens


@pytest.mark.parametrize(
    "mode, count", [("cls", 0), ("cls", -1), ("patches", 1.5), ("cls", "one")]
)
def test_class_tokens_are_counted(mode, count):
    """None at all had the mean of nothing, which is no number."""
    message = f"Pooling: class_tokens={count}: give a whole number"
    with pytest.raises(InputError, match=message):
        Pooling(mode, class_tokens=count)


def test_an_encoder_without_class_tokens_has_patches():
    tokens = torch.randn(2, PATCHES, 6)
    pooled = Pooling("patches", class_tokens=0)(tokens)
    torch.testing.assert_close(pooled, tokens.mean(1))
