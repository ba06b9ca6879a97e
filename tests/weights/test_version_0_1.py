"""Weights that version 0.1 wrote: a base, checkpoints of a run, adapters."""

import json

import pytest
import torch
from method_files import ROOT
from safetensors.torch import load_file
from speechbrain_petl import AST, AdaptedEncoder, LoRA, load_pretrained

OLD = ROOT / "tests" / "fixtures" / "version_0_1"
LORA = {"blocks.*.attn.qkv": lambda m: LoRA(m, rank=6, parts="qv")}


def encoder():
    """As the run had it."""
    ast = AST((32, 2, 2), frames=64)
    return load_pretrained(ast, OLD / "source.safetensors")


def test_base():
    """Every tensor under its old name."""
    old = load_file(OLD / "source.safetensors")
    new = encoder().state_dict()
    assert new.keys() == old.keys()
    assert all(torch.equal(new[name], old[name]) for name in old)


@pytest.mark.parametrize(
    "checkpoint",
    sorted((OLD / "unfinished" / "save").glob("CKPT*")),
    ids=lambda path: path.name,
)
def test_checkpoints_of_a_run(checkpoint):
    """What the method learned, strictly by name."""
    adapted = AdaptedEncoder(encoder(), LORA, ["norm.*"])
    state = torch.load(checkpoint / "encoder.ckpt", weights_only=True)
    adapted.load_adapter_state(state, source=str(checkpoint))
    for name, value in adapted.adapter_state().items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize("folder", ["adapter", "run"])
def test_adapters(folder):
    """Written by the run itself, and by its share."""
    from speechbrain_petl.weights.adapter_files import (
        load_weights,
        read_weights,
    )

    path = OLD / folder / "adapter.safetensors"
    described = json.loads((OLD / "adapter" / "adapter.json").read_text())
    classes = len(described["labels"])
    adapted = AdaptedEncoder(encoder(), LORA, ["norm.*"])
    modules = {"encoder": adapted, "classifier": torch.nn.Linear(32, classes)}
    tensors, metadata = read_weights(path)
    load_weights(modules, tensors, metadata, str(path))
    for name, value in adapted.adapter_state().items():
        assert torch.equal(value, tensors["encoder"][name])
