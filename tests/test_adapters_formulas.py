"""The methods against formulas written here from the papers."""

from functools import partial

import pytest
import torch
from timm.layers import Attention
from torch import nn
from torch.nn import functional as F

from speechbrain.lobes.models.transformer.Conformer import ConvolutionModule
from speechbrain_petl.adapters.adapter import Adapter
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.convolution import Conformer, Convpass
from speechbrain_petl.adapters.experts import BottleneckExperts, Experts
from speechbrain_petl.adapters.mixer import Shared, TokenMixer
from speechbrain_petl.adapters.moa import DenseMoA, SoftMoA
from speechbrain_petl.adapters.prefix import Prefix
from speechbrain_petl.adapters.probe import WeightedLayers
from speechbrain_petl.adapters.prompt import Prompt
from speechbrain_petl.errors import InputError

BATCH, TOKENS, DIM, HEADS = 2, 14, 16, 4
EXPERT = partial(Bottleneck, width=3)


def scrambled(module, seed=0):
    """Replace every parameter, zero ones too, by random numbers."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(0.5 * noise)
    return module.eval()


def tokens(seed=1):
    """A batch of tokens."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, TOKENS, DIM, generator=generator)


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
    with pytest.raises(InputError, match="where='paralel'.*parallel"):
        Adapter(nn.Linear(DIM, DIM), Bottleneck, "paralel")
    with pytest.raises(InputError, match="!name: instead of !new:"):
        Adapter(nn.Linear(DIM, DIM), Bottleneck(DIM))
    with pytest.raises(InputError, match="GELU.*set dim"):
        Adapter(nn.GELU(), Bottleneck)
    adapter = Adapter(nn.GELU(), Bottleneck, dim=DIM)
    assert adapter.block.down.in_features == DIM
    with pytest.raises(InputError, match="activation='gelo'.*gelu"):
        Bottleneck(DIM, activation="gelo")


def softmax(values):
    """A softmax as the papers write it."""
    exponentials = [torch.exp(v) for v in values]
    return [e / sum(exponentials) for e in exponentials]


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
    assert isinstance(SoftMoA(DIM, Conformer, 2).experts, Experts)
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


@pytest.mark.parametrize("kernel", [1, 5, 31])
def test_conformer_equals_speechbrains_convolution_module(kernel):
    """At full width and without their different norms in the middle."""
    ours = scrambled(Conformer(DIM, width=DIM, kernel=kernel))
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
@pytest.mark.parametrize("block", [Conformer, TokenMixer])
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


def test_shared_parts_are_one():
    """Two sites of one width share, another width does not."""
    factory = Shared(partial(TokenMixer, width=4), parts=["down", "up"])
    first, second, wide = factory(dim=DIM), factory(dim=DIM), factory(dim=32)
    assert first.down is second.down and first.up is second.up
    assert first.filters is not second.filters
    assert wide.down is not first.down


def test_weighted_layers_is_a_softmax_weighted_sum():
    """Of every block's output."""
    blocks = nn.Sequential(*[nn.Linear(DIM, DIM) for _ in range(3)])
    probe = scrambled(WeightedLayers(blocks))
    x = tokens()
    outputs = [blocks[: i + 1](x) for i in range(3)]
    weights = softmax(probe.logits)
    expected = sum(w * h for w, h in zip(weights, outputs))
    torch.testing.assert_close(probe(x), expected)
    with pytest.raises(InputError, match="Linear is no Sequential"):
        WeightedLayers(nn.Linear(DIM, DIM))
