"""Checkpoints in every published form, with small random weights."""

import pytest
import torch
from speechbrain_petl.errors import InputError
from speechbrain_petl.lobes.ast import AST
from speechbrain_petl.weights.loading import load_pretrained
from torch.nn import functional as F
from transformers import ASTConfig

SIZE = (48, 2, 3)
OFFICIAL_PREFIX = "module.v."


def randomise(module):
    """No tensor at zero or one, so that every swap would show."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter += 0.1 * noise
    return module.eval()


def hf_config(**kwargs):
    return ASTConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=192,
        **kwargs,
    )


def same(first, second):
    first, second = first.state_dict(), second.state_dict()
    return list(first) == list(second) and all(
        torch.equal(first[k], second[k]) for k in first
    )


def original_rule(table, mels, frames):
    """The original's own lines, for 12 x 101 patches of AudioSet."""
    grid = table[:, 2:].reshape(1, 1212, -1).transpose(1, 2)
    grid = grid.reshape(1, -1, 12, 101)
    if frames <= 101:
        start = 50 - int(frames / 2)
        grid = grid[:, :, :, start : start + frames]
    else:
        grid = F.interpolate(grid, size=(12, frames), mode="bilinear")
    if mels <= 12:
        start = 6 - int(mels / 2)
        grid = grid[:, :, start : start + mels, :]
    else:
        grid = F.interpolate(grid, size=(mels, frames), mode="bilinear")
    grid = grid.reshape(1, table.shape[2], mels * frames).transpose(1, 2)
    return torch.cat([table[:, :2], grid], dim=1)


def transformers_4(hf):
    """The names of transformers 4, written out one by one."""
    own, theirs = hf.audio_spectrogram_transformer.state_dict(), {}
    for name in ("embeddings", "layernorm"):
        theirs.update({k: v for k, v in own.items() if k.startswith(name)})
    modules = {
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
        "layernorm_before": "layernorm_before",
        "layernorm_after": "layernorm_after",
    }
    for layer in (0, 1):
        for new, old in modules.items():
            for kind in ("weight", "bias"):
                value = own[f"layers.{layer}.{new}.{kind}"]
                theirs[f"encoder.layer.{layer}.{old}.{kind}"] = value
    assert len(theirs) == len(own)
    return theirs


def prefixed(state):
    return {f"audio_spectrogram_transformer.{k}": v for k, v in state.items()}


def official(encoder):
    """How the original saves: DataParallel, timm's names, three heads."""
    state = {OFFICIAL_PREFIX + k: v for k, v in encoder.state_dict().items()}
    state["module.v.head.weight"] = torch.randn(1000, 48)
    state["module.v.head_dist.bias"] = torch.randn(1000)
    state["module.mlp_head.0.weight"] = torch.randn(48)
    return state


def refusal(source, *words, encoder=None):
    """The InputError of a source; the encoder stays as it was."""
    encoder = encoder or AST(SIZE, frames=64)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_pretrained(encoder, source)
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert "\n" not in message
    assert all(torch.equal(encoder.state_dict()[k], before[k]) for k in before)
    return message


def refusal_of(function, *arguments, words):
    """What a function refuses, by words of its message."""
    with pytest.raises(InputError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert all(word in message for word in words), message
    return message
