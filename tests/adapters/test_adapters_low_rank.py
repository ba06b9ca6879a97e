"""PiSSA, OLoRA, EVA, LoRA-FA and VeRA against their formulas and PEFT."""

import subprocess
import sys

import peft
import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from peft.tuners.lora import Linear as PeftLinear
from peft.tuners.vera import Linear as VeraLinear
from speechbrain_petl import AdaptedEncoder, eva_start
from speechbrain_petl.adapters.dora import DoRA
from speechbrain_petl.adapters.lora import LoRA
from speechbrain_petl.adapters.lora_fa import LoRAFA
from speechbrain_petl.adapters.masks import padding_mask
from speechbrain_petl.adapters.vera import VeRA
from speechbrain_petl.errors import InputError
from torch import nn

DIM, RANK, ALPHA = 12, 3, 6.0
# the first numbers of VeRA's matrices of rank 256, for this width
DRAWN = [
    [-0.1428853, 0.02589979, -0.2226527],
    [-0.0196397, -0.02322295, -0.05056316],
]
INITS = ("pissa", "olora")


def linear(out=DIM, seed=0):
    """A frozen layer."""
    torch.manual_seed(seed)
    return nn.Linear(DIM, out).requires_grad_(False)


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("init", INITS)
def test_inits_are_those_of_peft(init, rslora):
    """The factors, and what they compute before and after a step."""
    ours = LoRA(linear(), RANK, ALPHA, init=init, rslora=rslora)
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, init_lora_weights=init, use_rslora=rslora
    )
    theirs = PeftLinear(linear(), "default", config, r=RANK, lora_alpha=ALPHA)
    down = theirs.lora_A["default"].weight
    up = theirs.lora_B["default"].weight
    torch.testing.assert_close(ours.down[0], down)
    torch.testing.assert_close(ours.up[0], up)
    x = torch.randn(4, DIM)
    torch.testing.assert_close(ours(x), linear()(x))
    for _ in range(2):
        y, expected = ours(x), theirs(x)
        torch.testing.assert_close(y, expected)
        y.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(ours.down.grad[0], down.grad)
        torch.testing.assert_close(ours.up.grad[0], up.grad)
        for parameter in (ours.down, ours.up, down, up):
            parameter.data -= 0.001 * parameter.grad
            parameter.grad = None


def test_pissa_takes_the_largest_singular_values():
    """What is left of the weight has the others."""
    layer = linear(3 * DIM)
    ours = LoRA(layer, RANK, ALPHA, parts="qv", init="pissa")
    for part, start in enumerate((0, 2 * DIM)):
        weight = layer.weight[start : start + DIM]
        left = weight - ours.scale * ours.up[part] @ ours.down[part]
        values = torch.linalg.svdvals(weight)
        expected = torch.cat([values[RANK:], torch.zeros(RANK)])
        found = torch.linalg.svdvals(left)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("init", INITS)
def test_the_pretrained_weight_stays(init):
    """To the bit; so do the layer's outputs in training, dropout included."""
    layer, x = linear(3 * DIM), torch.randn(5, DIM)
    weight, expected = layer.weight.clone(), layer(x)
    for wrapper in (LoRA, DoRA):
        wrapped = wrapper(layer, rank=2, parts="qk", init=init, dropout=0.5)
        torch.testing.assert_close(wrapped.train()(x), expected)
        assert torch.equal(layer.weight, weight)


def test_what_inits_refuse():
    """More directions than there are, and another name."""
    with pytest.raises(InputError, match="LoRA: init='pissa' finds no more th"):
        LoRA(linear(), rank=DIM + 1, init="pissa")
    with pytest.raises(InputError, match="LoRA: init='pisa'.*pissa"):
        LoRA(linear(), init="pisa")
    for alpha in (0, -4.0):
        with pytest.raises(InputError, match="give an alpha above 0"):
            LoRA(linear(), alpha=alpha, init="pissa")


def low_rank_tokens(count):
    """Tokens (batch, token, dim) that vary in three directions."""
    torch.manual_seed(1)
    scale = torch.tensor([9.0, 3.0, 1.0]).unsqueeze(1)
    basis = torch.linalg.qr(torch.randn(DIM, 3))[0].t()
    return torch.randn(count, 7, 3) @ (scale * basis)


def test_eva_starts_at_the_singular_vectors_of_all_inputs():
    """Of several batches, as of one large one, for each part."""
    layer = LoRA(linear(3 * DIM), RANK, parts="qv", init="eva").train()
    batches = low_rank_tokens(8).split(2)
    expected = layer(batches[0])
    eva_start(layer, layer, batches)
    right = torch.linalg.svd(torch.cat(batches).flatten(0, 1))[2][:RANK]
    for down in layer.down:
        cosines = (down * right).sum(1).abs()
        torch.testing.assert_close(cosines, torch.ones(RANK))
    torch.testing.assert_close(layer(batches[0]), expected)
    assert layer.training and layer.up.count_nonzero() == 0
    assert not layer._forward_pre_hooks


def test_eva_sees_no_padding():
    """Whatever stands there."""
    x = low_rank_tokens(2)
    padded = torch.cat([x, 100 * torch.randn(2, 4, DIM)], dim=1)
    layers = [LoRA(linear(), RANK, init="eva") for _ in range(2)]
    eva_start(layers[0], layers[0], [x])
    mask = (torch.arange(11) < 7).expand(2, -1)
    with padding_mask(mask):
        eva_start(layers[1], layers[1], [padded])
    torch.testing.assert_close(layers[1].down.abs(), layers[0].down.abs())


@pytest.mark.parametrize("weights", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("init", [*INITS, "eva"])
def test_starts_under_autocast_are_those_without(init, weights):
    """Whatever a GPU multiplies in bf16, and whatever the weights are in."""
    x, started = low_rank_tokens(8).to(weights), {}
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            layer = LoRA(linear().to(weights), RANK, ALPHA, init=init)
            eva_start(layer, layer, [x])
        started[autocast] = layer.down.detach()
    assert torch.equal(started[True], started[False])
    whole = LoRA(linear().to(weights).float(), RANK, ALPHA, init=init)
    eva_start(whole, whole, [x.float()])
    assert torch.equal(started[True], whole.down.to(weights))


def test_eva_needs_a_batch():
    layer = LoRA(linear(), init="eva")
    with pytest.raises(InputError, match="init='eva' needs inputs, and no ba"):
        eva_start(layer, layer, [])


def test_lora_fa_keeps_its_random_half():
    """And otherwise computes what LoRA does."""
    torch.manual_seed(3)
    ours = LoRAFA(linear(), rank=RANK)
    torch.manual_seed(3)
    lora = LoRA(linear(), rank=RANK)
    lora.down.data.copy_(ours.down)
    lora.up.data = ours.up.data = torch.randn(ours.up.shape)
    x = torch.randn(4, DIM)
    assert torch.equal(ours(x), lora(x))
    ours(x).sum().backward()
    lora(x).sum().backward()
    torch.testing.assert_close(ours.up.grad, lora.up.grad)
    assert [n for n, p in ours.named_parameters() if p.requires_grad] == ["up"]
    assert "down" in ours.state_dict()


@pytest.mark.parametrize("parts", [None, "kv"])
def test_vera_is_its_formula(parts):
    """y + b * B (d * A x), part by part, and PEFT's layer."""
    layer = linear(3 * DIM)
    ours = VeRA(layer, rank=7, parts=parts)
    ours.outer.data.normal_()
    ours.inner.data.normal_()
    x, y = torch.randn(4, DIM), []
    pieces = [slice(None)] if parts is None else [slice(DIM, 24), slice(24, 36)]
    if parts:
        y.append(layer(x)[:, :DIM])
    for part, rows in enumerate(pieces):
        weight, bias = layer.weight[rows], layer.bias[rows]
        theirs = nn.Linear(DIM, len(weight)).requires_grad_(False)
        theirs.weight.data, theirs.bias.data = weight, bias
        theirs = VeraLinear(
            theirs,
            nn.ParameterDict({"default": ours.down}),
            nn.ParameterDict({"default": ours.up}),
            "default",
            peft.VeraConfig(r=7),
            r=7,
        )
        theirs.vera_lambda_b["default"].data = ours.outer[part].data
        theirs.vera_lambda_d["default"].data = ours.inner[part].data
        y.append(theirs(x))
    torch.testing.assert_close(ours(x), torch.cat(y, dim=-1))


def test_vera_draws_the_same_for_all_layers_and_for_ever():
    """Whatever has been drawn before; a few numbers are written here."""
    first, second = VeRA(linear(seed=1)), VeRA(linear(seed=2))
    assert torch.equal(first.down, second.down)
    assert not torch.equal(first.down, VeRA(linear(), seed=1).down)
    assert first.down.std() * (3 * DIM) ** 0.5 == pytest.approx(1, rel=0.05)
    assert set(first.state_dict()) >= {"inner", "outer"}
    assert not set(first.state_dict()) & {"down", "up"}
    drawn = torch.stack([first.down[0, :3], first.up[0, :3]])
    torch.testing.assert_close(drawn, torch.tensor(DRAWN))


FRESH = """
import sys, torch
sys.path[:0] = sys.argv[1:]
from adapter_methods import METHODS, spectrograms, tiny_ast
torch.manual_seed(99)
for name, state in torch.load("learned.pt").items():
    adapted = METHODS[name].adapt(tiny_ast()).eval()
    adapted.load_adapter_state(state)
    torch.save(adapted(spectrograms()), f"{name}.out")
"""
NAMES = ("pissa", "olora", "eva", "lora_fa", "vera", "mambadapter", "loaa")


def moved(adapted):
    """As after some training."""
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return adapted.eval()


def test_reloads_to_the_bit_in_a_fresh_process(tmp_path):
    """From the file of what was learned, and the base; drawn otherwise."""
    torch.manual_seed(5)
    adapted = {name: moved(METHODS[name].adapt(tiny_ast())) for name in NAMES}
    learned = {name: a.adapter_state() for name, a in adapted.items()}
    torch.save(learned, tmp_path / "learned.pt")
    command = [sys.executable, "-c", FRESH, *filter(None, sys.path)]
    subprocess.run(command, cwd=tmp_path, check=True)
    for name in NAMES:
        said = torch.load(tmp_path / f"{name}.out")
        assert torch.equal(said, adapted[name](spectrograms())), name


@pytest.mark.parametrize("init", INITS)
def test_no_decomposition_is_needed_to_load(init):
    """One that another machine computes otherwise changes nothing."""
    adapted, other = (
        AdaptedEncoder(
            tiny_ast(),
            {"blocks.*.attn.qkv": lambda m, i=i: LoRA(m, parts="qv", init=i)},
        )
        for i in (init, "olora" if init == "pissa" else "pissa")
    )
    expected = moved(adapted)(spectrograms())
    other.load_adapter_state(adapted.adapter_state())
    assert torch.equal(other.eval()(spectrograms()), expected)
