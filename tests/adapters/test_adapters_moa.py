"""The mixtures of adapters against loops written from their papers."""

from functools import partial

import pytest
import torch
from adapter_numbers import BATCH, DIM, TOKENS, scrambled, softmax, tokens
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.convolution import ConformerConvolution
from speechbrain_petl.adapters.experts import BottleneckExperts, Experts
from speechbrain_petl.adapters.moa import DenseMoA, SoftMoA
from speechbrain_petl.errors import InputError
from torch.nn import functional as F

EXPERT = partial(Bottleneck, width=3)


def bottleneck(experts, i, x):
    """Expert i of a stack, as a formula."""
    h = F.gelu(experts.down[i] @ x + experts.down_bias[i])
    return experts.up[i].T @ h + experts.up_bias[i]


def test_dense_moa_equals_a_loop():
    """sum_e softmax(W x + b)_e A_e(x), token by token."""
    moa = scrambled(DenseMoA(DIM, EXPERT, experts=4)).double()
    x = tokens().double()
    y = moa(x)
    for b in range(BATCH):
        for t in range(TOKENS):
            token = x[b, t]
            gates = softmax(moa.router.weight @ token + moa.router.bias)
            expected = sum(
                gate * bottleneck(moa.experts, i, token)
                for i, gate in enumerate(gates)
            )
            torch.testing.assert_close(y[b, t], expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("slots", [1, 3])
def test_soft_moa_equals_a_loop(slots, normalise):
    """Equations 1 to 3 of https://arxiv.org/abs/2308.00951, per slot."""
    experts = 2
    moa = SoftMoA(DIM, EXPERT, experts, slots, normalise)
    moa = scrambled(moa).double()
    batch, phi = tokens().double(), moa.phi.double()
    y = moa(batch)
    for b, x in enumerate(batch):
        logits = x @ phi
        if normalise:
            lengths = x.square().sum(1).sqrt(), phi.square().sum(0).sqrt()
            logits = moa.scale * logits / torch.outer(*lengths)
        outputs = []
        for j in range(experts * slots):
            dispatch = softmax(logits[:, j])
            slot = sum(d * token for d, token in zip(dispatch, x))
            outputs.append(bottleneck(moa.experts, j // slots, slot))
        for t in range(TOKENS):
            combine = softmax(logits[t])
            expected = sum(c * output for c, output in zip(combine, outputs))
            torch.testing.assert_close(y[b, t], expected, atol=1e-6, rtol=1e-6)


def test_batched_experts_equal_the_loop():
    """The stack of bottlenecks against the modules it was made of."""
    blocks = [scrambled(EXPERT(DIM), seed) for seed in range(5)]
    stack, loop = BottleneckExperts(blocks), Experts(blocks)
    slots = torch.randn(BATCH, 5, 3, DIM)
    torch.testing.assert_close(stack(slots), loop(slots))
    weights = torch.rand(BATCH, TOKENS, 5)
    x = tokens()
    torch.testing.assert_close(stack.mixed(x, weights), loop.mixed(x, weights))


def test_mixtures_choose_the_batch_for_bottlenecks():
    """Any other block runs in a loop, and one expert is refused."""
    assert isinstance(DenseMoA(DIM, EXPERT, 2).experts, BottleneckExperts)
    assert isinstance(SoftMoA(DIM, ConformerConvolution, 2).experts, Experts)
    with pytest.raises(InputError, match="experts=1"):
        SoftMoA(DIM, EXPERT, experts=1)


def test_softmax_is_in_full_precision_under_autocast(monkeypatch):
    """Both softmaxes, whatever the logits are."""
    seen, original = [], torch.Tensor.softmax

    def spy(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        seen.append(result.dtype)
        return result

    monkeypatch.setattr(torch.Tensor, "softmax", spy)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        SoftMoA(DIM, EXPERT)(tokens())
        DenseMoA(DIM, EXPERT)(tokens())
    assert seen == [torch.float32] * 3
