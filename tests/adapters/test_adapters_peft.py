"""The bridge to PEFT: its tuners as wrappers."""

import sys
from functools import partial

import peft
import pytest
import torch
from adapter_methods import spectrograms, tiny_ast
from speechbrain_petl import AST, AdaptedEncoder
from speechbrain_petl.adapters.peft_bridge import PEFT
from speechbrain_petl.errors import InputError
from torch import nn

# tuner -> (PEFT's config, how it names its parameters, options)
TUNERS = {
    "LOHA": (peft.LoHaConfig, "hada_", {"r": 2, "alpha": 4}),
    "OFT": (peft.OFTConfig, "oft_", {"oft_block_size": 8}),
    "LOKR": (peft.LoKrConfig, "lokr_", {"r": 2, "alpha": 4}),
    "HRA": (peft.HRAConfig, "hra_", {"r": 2}),
}


def scrambled(model, prefix):
    """Give the tuner's parameters random values, in the model's order."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if prefix in name:
            parameter.data = 0.1 * torch.randn_like(parameter)
    return model.eval()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("tuner", TUNERS)
def test_outputs_are_those_of_peft(tuner, inside):
    """Around a layer or inside a module, as in a model PEFT adapts itself."""
    config, prefix, options = TUNERS[tuner]
    ours, theirs = tiny_ast(), tiny_ast()
    for block in ours.blocks:
        if inside:
            block.mlp = PEFT(block.mlp, tuner, targets=["fc1"], **options)
        else:
            block.mlp.fc1 = PEFT(block.mlp.fc1, tuner, **options)
    config = config(target_modules=["fc1"], **options)
    peft.inject_adapter_in_model(config, theirs)
    expected = scrambled(theirs, prefix)(spectrograms())
    actual = scrambled(ours, prefix)(spectrograms())
    torch.testing.assert_close(actual, expected)
    assert not torch.allclose(actual, tiny_ast().eval()(spectrograms()))
    for block in ours.blocks:
        if inside:
            block.mlp = block.mlp.merge()
        else:
            block.mlp.fc1 = block.mlp.fc1.merge()
    merged = [type(block.mlp.fc1) for block in ours.blocks]
    assert set(merged) == {nn.Linear}
    torch.testing.assert_close(ours(spectrograms()), expected)


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_4", "olora"])
def test_a_start_that_takes_a_part_of_the_weight(init, tmp_path):
    """PEFT's numbers, the weight as it was, and what is learned loads again."""
    options = {"r": 3, "lora_alpha": 6, "init_lora_weights": init}
    adapted, other = (
        AdaptedEncoder(
            tiny_ast().requires_grad_(False),
            {"blocks.*.mlp.fc1": partial(PEFT, tuner="LORA", **options)},
        )
        for _ in range(2)
    )
    theirs = tiny_ast()
    config = peft.LoraConfig(target_modules=["fc1"], **options)
    torch.manual_seed(2)  # of the iterations
    peft.inject_adapter_in_model(config, theirs)
    weights = [m.weight for n, m in tiny_ast().named_modules() if "fc1" in n]
    for block, weight in zip(adapted.encoder.blocks, weights):
        layer = block.mlp.fc1.pretrained_module
        assert torch.equal(layer.base_layer.weight, weight)
    expected = tiny_ast().eval()(spectrograms())
    torch.testing.assert_close(
        adapted.eval()(spectrograms()), expected, atol=1e-5, rtol=1e-5
    )
    scrambled(adapted, "lora_")
    if "niter" not in init:
        expected = scrambled(theirs, "lora_")(spectrograms())
        actual = adapted(spectrograms())
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    torch.save(adapted.adapter_state(), tmp_path / "learned.pt")
    other.load_adapter_state(torch.load(tmp_path / "learned.pt"))
    expected = adapted(spectrograms())
    assert torch.equal(other.eval()(spectrograms()), expected)
    merged = other.merge()
    assert {type(block.mlp.fc1) for block in merged.blocks} == {nn.Linear}
    actual = merged(spectrograms())
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_a_start_without_a_part_leaves_no_trace():
    """As before: no buffers, no hook."""
    layer = PEFT(nn.Linear(8, 8), "LORA", r=2)
    assert not dict(layer.named_buffers())


def test_a_linear_stays_a_linear_to_others():
    """LoRA or a prefix may sit around it."""
    layer = PEFT(nn.Linear(8, 24), "LOHA", r=2)
    assert (layer.in_features, layer.out_features) == (8, 24)
    stack = nn.Sequential(nn.Linear(8, 8))
    assert not hasattr(PEFT(stack, "LOHA", ["0"]), "in_features")


def test_an_unknown_tuner_is_explained():
    """With the nearest names that PEFT has."""
    with pytest.raises(InputError, match="tuner='LOHO'.*LOHA"):
        PEFT(nn.Linear(8, 8), "LOHO")


def test_without_peft_the_remedy_is_named(monkeypatch):
    """PEFT is an extra dependency."""
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match="pip install"):
        PEFT(nn.Linear(8, 8), "LOHA")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"tuner": "VERA"}, "shared state"),
        ({"tuner": "SHIRA"}, "more shira params"),
        ({"tuner": "PREFIX_TUNING"}, "target_modules"),
        ({"tuner": "LOHA", "targets": "nothing"}, "nothing not found"),
        ({"tuner": "LOHA", "r": 0}, "positive"),
        ({"tuner": "LOHA", "no_such": 1}, "no_such"),
        ({"tuner": "LORA", "init_lora_weights": "eva"}, "use LoRA, whose init"),
        (
            {"tuner": "LORA", "init_lora_weights": "pissa", "use_dora": True},
            "more than the product",
        ),
    ],
    ids=str,
)
def test_what_peft_refuses_is_one_line(options, words):
    wrap = {"blocks.*.attn.qkv": partial(PEFT, **options)}
    with pytest.raises(InputError, match=words) as error:
        AdaptedEncoder(AST((32, 2, 2), frames=64), wrap=wrap)
    assert str(error.value).startswith("petl: wrap: blocks.")
    assert "\n" not in str(error.value)
