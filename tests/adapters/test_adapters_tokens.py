"""Prompt and Prefix against their formulas."""

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from adapter_numbers import BATCH, DIM, HEADS, TOKENS, scrambled, tokens
from speechbrain_petl.adapters.prefix import Prefix
from speechbrain_petl.adapters.prompt import Prompt
from speechbrain_petl.errors import InputError
from speechbrain_petl.lobes.pooling import Pooling
from timm.layers import Attention
from torch import nn
from torch.nn import functional as F


def heads(x):
    """(batch, token, dim) to (batch, head, token, dim / heads)."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_prefix_equals_attention_to_more_rows(fused, masked):
    """SDPA(q, [Pk; k], [Pv; v]), with and without a mask."""
    attention = Attention(DIM, HEADS, qkv_bias=True)
    attention.fused_attn = fused
    qkv, proj, x = attention.qkv, attention.proj, tokens()
    prefix = scrambled(Prefix(attention, tokens=3))
    mask = torch.rand(BATCH, 1, TOKENS, TOKENS) > 0.3 if masked else None
    learned_k, learned_v = prefix.pretrained_module.qkv.rows.chunk(2, dim=-1)
    q, k, v = qkv(x).chunk(3, dim=-1)
    k = torch.cat([learned_k.expand(BATCH, -1, -1), k], dim=1)
    v = torch.cat([learned_v.expand(BATCH, -1, -1), v], dim=1)
    allowed = F.pad(mask, (3, 0), value=True) if masked else None
    expected = F.scaled_dot_product_attention(
        heads(q), heads(k), heads(v), allowed
    )
    expected = proj(expected.transpose(1, 2).flatten(2))
    actual = prefix(x, attn_mask=mask)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_prefix_needs_an_attention():
    """The message names the module and the remedy."""
    with pytest.raises(InputError, match="Linear has neither qkv.*glob"):
        Prefix(nn.Linear(DIM, DIM))


class Averaged(nn.Linear):
    """Adds the mean of all tokens to each: what a prompt acts through."""

    def forward(self, x):
        """A Linear of the token and of the mean."""
        return super().forward(x + x.mean(dim=1, keepdim=True))


def test_prompts_are_seen_and_dropped():
    """Appended, run and dropped, or kept, or put in place of others."""
    block, x = Averaged(DIM, DIM), tokens()
    prompt = scrambled(Prompt(block, tokens=3))
    learned = prompt.prompts.expand(BATCH, -1, -1)
    expected = block(torch.cat([x, learned], dim=1))
    torch.testing.assert_close(prompt(x), expected[:, :TOKENS])
    prompt.keep = True
    torch.testing.assert_close(prompt(x), expected)
    replacing = scrambled(Prompt(block, tokens=3, replace=True))
    torch.testing.assert_close(replacing(expected).shape, expected.shape)
    again = block(torch.cat([expected[:, :TOKENS], learned], dim=1))
    torch.testing.assert_close(replacing(expected), again)


@pytest.mark.parametrize("count", [TOKENS, TOKENS + 1])
def test_prompts_do_not_take_the_place_of_all_tokens(count):
    """Nothing of the clip would be left."""
    prompt = Prompt(Averaged(DIM, DIM), tokens=count, replace=True)
    message = f"{count} prompts would take the place of all {TOKENS} tokens: "
    with pytest.raises(InputError, match=f"{message}.*fewer.*longer clips"):
        prompt(tokens())


def test_deep_prompts_kept_or_dropped_are_the_same_for_the_others():
    """Kept prompts change what is pooled, not what is computed."""
    layers = [Averaged(DIM, DIM) for _ in range(3)]
    dropped = nn.Sequential(*[Prompt(layer, tokens=2) for layer in layers])
    later = [Prompt(layer, tokens=2, replace=True) for layer in layers[1:]]
    kept = Prompt(nn.Sequential(layers[0], *later), tokens=2, keep=True)
    kept.prompts = dropped[0].prompts
    for i, prompt in enumerate(later, start=1):
        prompt.prompts = dropped[i].prompts
    x = tokens()
    torch.testing.assert_close(kept(x)[:, :TOKENS], dropped(x))
    assert kept(x).shape[1] == TOKENS + 2


def test_prompt_bound_is_that_of_the_paper():
    """sqrt(6 / (3 * 16 * 16 + 768)) for a ViT-B/16."""
    prompts = Prompt(nn.Linear(768, 768), tokens=50).prompts
    bound = (6 / (3 * 16 * 16 + 768)) ** 0.5
    assert prompts.abs().max() <= bound
    assert prompts.abs().max() > 0.99 * bound


@pytest.mark.parametrize("name", ["prompt_deep_kept", "prompt_deep"])
def test_kept_prompts_can_be_pooled(name):
    """They are the last tokens that the AST returns, or are dropped."""
    kept = 3 if name == "prompt_deep_kept" else 0
    y = METHODS[name].adapt(tiny_ast()).eval()(spectrograms())
    assert y.shape[1] == tiny_ast().eval()(spectrograms()).shape[1] + kept
    speech = Pooling("patches", prompts=kept)(y)
    torch.testing.assert_close(speech, y[:, 2 : y.shape[1] - kept].mean(1))
    if kept:
        pooled = Pooling("prompts", prompts=kept)(y)
        torch.testing.assert_close(pooled, y[:, -kept:].mean(1))
