"""Tiny Whispers, and those of transformers and OpenAI of the same shape."""

import os
from pathlib import Path

import pytest
import torch
import transformers
from speech_models import scrambled
from speechbrain_petl import Whisper

SIZE = (32, 2, 4)
# folders of real weights and of real clips, for the tests that want them
WEIGHTS, CLIPS = "SBPETL_WHISPER_TINY_EN", "SBPETL_ESC10"


def ours(size=SIZE, **options):
    """A tiny Whisper."""
    torch.manual_seed(0)
    return scrambled(Whisper(size, **options))


def theirs(model=transformers.WhisperModel, frames=3000, size=SIZE):
    """One of transformers; its encoder takes so many frames and no others."""
    dim, depth, heads = size
    torch.manual_seed(1)
    config = transformers.WhisperConfig(
        vocab_size=50,
        d_model=dim,
        encoder_layers=depth,
        decoder_layers=1,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * dim,
        decoder_ffn_dim=4 * dim,
        max_source_positions=frames // 2,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
    )
    made = model(config).eval()
    return made if dim > 32 else scrambled(made)


def openais(model):
    """A file of OpenAI's with the weights of a model of transformers."""
    names = {
        "embed_positions.weight": "positional_embedding",
        "self_attn_layer_norm": "attn_ln",
        "final_layer_norm": "mlp_ln",
        "self_attn": "attn",
        "out_proj": "out",
        "q_proj": "query",
        "k_proj": "key",
        "v_proj": "value",
        "fc1": "mlp.0",
        "fc2": "mlp.2",
        "layers": "blocks",
        "encoder.layer_norm": "encoder.ln_post",
    }
    state = {}
    for name, value in model.state_dict().items():
        name = name.removeprefix("model.")
        for old, new in names.items():
            name = name.replace(old, new)
        state[name] = value
    config = model.config
    return {
        "dims": {
            "n_audio_state": config.d_model,
            "n_audio_head": config.encoder_attention_heads,
            "n_mels": config.num_mel_bins,
            "n_vocab": config.vocab_size,
        },
        "model_state_dict": state,
    }


def real(variable):
    """A folder that an environment variable names, or no test."""
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no folder")
    return Path(os.environ[variable])
