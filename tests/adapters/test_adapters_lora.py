"""LoRA and its kind, IA3 and SSF: against PEFT with copied weights, and merged."""

from functools import partial

import peft
import pytest
import torch
from peft.tuners.lora import Linear as PeftLinear
from speechbrain_petl.adapters.dora import DoRA
from speechbrain_petl.adapters.ia3 import IA3
from speechbrain_petl.adapters.lora import LoRA
from speechbrain_petl.adapters.lora_fa import LoRAFA
from speechbrain_petl.adapters.parts import thirds
from speechbrain_petl.adapters.ssf import SSF
from speechbrain_petl.adapters.vera import VeRA
from speechbrain_petl.errors import InputError
from torch import nn

DIM, RANK, ALPHA = 12, 3, 6.0


def scrambled(module, seed=0):
    """Give every parameter that a wrapper adds a random value."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if not name.startswith("pretrained_module"):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.add_(0.3 * noise)
    return module


def peft_layer(linear, wrapped, part, **options):
    """PEFT's layer around one part of a Linear, with our weights."""
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, **options)
    layer = PeftLinear(linear, "default", config, r=RANK, lora_alpha=ALPHA)
    layer.lora_A["default"].weight.data = wrapped.down[part].data.clone()
    layer.lora_B["default"].weight.data = wrapped.up[part].data.clone()
    if hasattr(wrapped, "magnitude"):
        vector = layer.lora_magnitude_vector["default"]
        vector.weight.data = wrapped.magnitude[part].data.clone()
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "wrapper, options, theirs",
    [
        (LoRA, {}, {}),
        (LoRA, {"rslora": True}, {"use_rslora": True}),
        (DoRA, {}, {"use_dora": True}),
        (DoRA, {"rslora": True}, {"use_dora": True, "use_rslora": True}),
    ],
)
def test_outputs_and_gradients_are_those_of_peft(
    wrapper, options, theirs, bias
):
    """With copied weights, on a Linear taken as one."""
    linear = nn.Linear(DIM, 2 * DIM, bias=bias).requires_grad_(False)
    ours = scrambled(wrapper(linear, rank=RANK, alpha=ALPHA, **options))
    layer = peft_layer(linear, ours, 0, **theirs)
    x = torch.randn(2, 5, DIM)
    y, expected = ours(x), layer(x)
    torch.testing.assert_close(y, expected)
    weights = torch.randn_like(y)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    for mine, theirs in (
        (ours.down, layer.lora_A["default"].weight),
        (ours.up, layer.lora_B["default"].weight),
    ):
        torch.testing.assert_close(mine.grad[0], theirs.grad)
    if wrapper is DoRA:
        vector = layer.lora_magnitude_vector["default"].weight
        torch.testing.assert_close(ours.magnitude.grad[0], vector.grad)


@pytest.mark.parametrize("wrapper", [LoRA, DoRA])
def test_parts_of_a_fused_layer_are_layers_of_their_own(wrapper):
    """A fused qkv with parts equals three Linears, two of them in PEFT."""
    qkv = nn.Linear(DIM, 3 * DIM).requires_grad_(False)
    ours = scrambled(wrapper(qkv, rank=RANK, alpha=ALPHA, parts="vq"))
    options = {"use_dora": True} if wrapper is DoRA else {}
    x, outputs = torch.randn(2, 5, DIM), []
    for i, part in enumerate([0, None, 1]):
        linear = nn.Linear(DIM, DIM).requires_grad_(False)
        linear.weight.copy_(qkv.weight[i * DIM : (i + 1) * DIM])
        linear.bias.copy_(qkv.bias[i * DIM : (i + 1) * DIM])
        if part is not None:
            linear = peft_layer(linear, ours, part, **options)
        outputs.append(linear(x))
    torch.testing.assert_close(ours(x), torch.cat(outputs, dim=-1))


@pytest.mark.parametrize(
    "wrapper",
    [
        partial(LoRA, rank=2),
        partial(LoRA, rank=2, parts="kv", rslora=True),
        partial(DoRA, rank=2),
        partial(DoRA, rank=2, parts="qk"),
        partial(LoRA, rank=2, init="olora"),
        partial(LoRA, rank=2, init="pissa", parts="qk"),
        partial(DoRA, rank=2, init="pissa", parts="kv"),
        partial(LoRAFA, rank=2, parts="qv"),
        partial(VeRA, rank=5),
        partial(VeRA, rank=5, parts="qk"),
        IA3,
        partial(IA3, parts="kv"),
        partial(IA3, side="input"),
        SSF,
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_merging_is_exact(wrapper, bias):
    """A wrapper's weight and bias, and the merged layer, compute the same."""
    linear = nn.Linear(DIM, 3 * DIM, bias=bias).requires_grad_(False)
    wrapped = scrambled(wrapper(linear))
    x = torch.randn(4, DIM)
    expected = wrapped(x)
    properties = nn.functional.linear(x, wrapped.weight, wrapped.bias)
    torch.testing.assert_close(properties, expected)
    merged = wrapped.merge()
    assert merged is linear
    torch.testing.assert_close(merged(x), expected)
    assert not any(p.requires_grad for p in merged.parameters())


def test_ssf_merges_into_a_layer_norm_or_stays():
    """Exact, or not at all."""
    wrapped = scrambled(SSF(nn.LayerNorm(DIM).requires_grad_(False)))
    x = torch.randn(4, DIM)
    expected = wrapped(x)
    merged = wrapped.merge()
    assert isinstance(merged, nn.LayerNorm)
    torch.testing.assert_close(merged(x), expected)
    stays = SSF(nn.Sequential(nn.Linear(DIM, DIM), nn.GELU()))
    assert stays.merge() is stays


def test_ia3_scales_what_it_says():
    """Keys and values, and the hidden features of a feed-forward."""
    qkv = nn.Linear(DIM, 3 * DIM)
    wrapped = scrambled(IA3(qkv, parts="kv"))
    x = torch.randn(4, DIM)
    q, k, v = qkv(x).chunk(3, dim=-1)
    key, value = wrapped.scale
    expected = torch.cat([q, k * key, v * value], dim=-1)
    torch.testing.assert_close(wrapped(x), expected)
    hidden = scrambled(IA3(nn.Linear(DIM, 5), side="input"))
    expected = hidden.pretrained_module(x * hidden.scale[0])
    torch.testing.assert_close(hidden(x), expected)


def test_wrong_parts_are_explained():
    """The message names the wrapper, the value and the remedy."""
    linear = nn.Linear(DIM, 3 * DIM)
    for wrapper in (LoRA, DoRA, VeRA, IA3):
        with pytest.raises(InputError, match=f"{wrapper.__name__}: parts='qx'"):
            wrapper(linear, parts="qx")
    with pytest.raises(InputError, match="Leave parts out"):
        LoRA(nn.Linear(DIM, DIM + 1), parts="q")
    with pytest.raises(InputError, match="side='inputs'"):
        IA3(linear, side="inputs")
    assert thirds(None, nn.Linear(2, 7), "LoRA") == ([0], 7)
