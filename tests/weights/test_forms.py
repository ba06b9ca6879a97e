"""Checkpoints as people have them: prefixes, other inputs, other models."""

import json
from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import (
    SIZE,
    hf_config,
    official,
    randomise,
    refusal,
    same,
    transformers_4,
)
from speechbrain_petl.errors import InputError
from speechbrain_petl.lobes.ast import AST
from speechbrain_petl.lobes.beats import BEATs
from speechbrain_petl.lobes.vit import ViT
from speechbrain_petl.lobes.wav2vec2 import Wav2Vec2
from speechbrain_petl.lobes.whisper import Whisper
from speechbrain_petl.lobes.whisper_decoder import WhisperDecoder
from speechbrain_petl.weights.checking import check_fit
from speechbrain_petl.weights.loading import load_pretrained, save_pretrained
from speechbrain_petl.weights.positions import axes_of, resize_positions
from transformers import ASTForAudioClassification


@pytest.fixture(scope="module")
def hf():
    return randomise(ASTForAudioClassification(hf_config()))


@pytest.fixture(scope="module")
def encoder(hf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hf")
    hf.save_pretrained(folder)
    return load_pretrained(AST(SIZE), folder)


def names(form, hf, encoder):
    if form == "official":
        state = official(encoder).items()
        return {k.removeprefix("module."): v for k, v in state}
    if form == "transformers 4, no head":
        return transformers_4(hf)
    return hf.state_dict()


NAMINGS = ["official", "transformers 4, no head", "transformers 5"]
AROUND = {  # what training loops make of a state dict
    "DataParallel": lambda state: before("module.", state),
    "Lightning": lambda state: {
        "epoch": 3,
        "state_dict": {
            **before("model.", state),
            "criterion.weight": torch.ones(5),
        },
    },
    "compiled": lambda state: before("_orig_mod.", state),
    "DDP of compiled": lambda state: before("module._orig_mod.", state),
    "compiled DDP in Lightning": lambda state: {
        "state_dict": before("model._orig_mod.module.", state)
    },
    "blocks compiled": lambda state: {
        k.replace(".norm1.", "._orig_mod.norm1."): v for k, v in state.items()
    },
    "somebody's class": lambda state: {
        **before("backbone.ast.", state),
        "head.weight": torch.ones(5, 48),
    },
}


def before(prefix, state):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("naming", NAMINGS)
def test_what_is_around_the_names_is_taken_away(
    naming, around, hf, encoder, tmp_path
):
    torch.save(AROUND[around](names(naming, hf, encoder)), tmp_path / "a.pth")
    assert same(load_pretrained(AST(SIZE), tmp_path / "a.pth"), encoder)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("kind", [Whisper, Wav2Vec2, BEATs])
def test_encoders_of_speech_too(kind, around, tmp_path):
    theirs = randomise(kind((32, 2, 2)))
    torch.save(AROUND[around](theirs.state_dict()), tmp_path / "a.pt")
    assert same(load_pretrained(kind((32, 2, 2)), tmp_path / "a.pt"), theirs)


def test_two_models_of_speech_are_refused(tmp_path):
    state = Whisper((32, 2, 2)).state_dict()
    both = {**before("model.", state), **before("ema.", state)}
    torch.save(both, tmp_path / "both.pth")
    encoder = Whisper((32, 2, 2))
    refusal(tmp_path, "two models", "ema. and model.", encoder=encoder)


@pytest.mark.parametrize("word", ["_fsdp_wrapped_", "_checkpoint_wrapped_"])
def test_words_inside_the_names(word, hf, encoder, tmp_path):
    inside = f"layers.0.{word}module."
    state = hf.state_dict().items()
    state = {k.replace("layers.0.", inside): v for k, v in state}
    torch.save(before(f"{word}module.", state), tmp_path / "a.pth")
    assert same(load_pretrained(AST(SIZE), tmp_path), encoder)


def test_weights_in_several_files(hf, encoder, tmp_path):
    """As Hugging Face writes what is large: an index, and shards."""
    hf.save_pretrained(tmp_path, max_shard_size="50KB")
    shards = sorted(tmp_path.glob("model-*-of-*.safetensors"))
    assert len(shards) > 3 and not (tmp_path / "model.safetensors").exists()
    assert same(load_pretrained(AST(SIZE), tmp_path), encoder)
    index = tmp_path / "model.safetensors.index.json"
    assert same(load_pretrained(AST(SIZE), index), encoder)
    shards[1].unlink()
    refusal(tmp_path, f"{shards[1]} is missing, which an index names")
    index.write_text("{}")
    refusal(tmp_path, "index.json names no files of weights")


def test_old_weights_in_several_files(hf, encoder, tmp_path):
    state, named = list(hf.state_dict().items()), {}
    for number, part in enumerate((state[:9], state[9:]), 1):
        name = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save(dict(part), tmp_path / name)
        named |= dict.fromkeys(dict(part), name)
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": named}))
    assert same(load_pretrained(AST(SIZE), tmp_path), encoder)


LOOPS = {  # what they save around a state dict
    "DeiT": lambda state: {"model": state, "optimizer": {"state": {}}},
    "with its optimizer": lambda state: {
        "net": before("module.", state),
        "optimizer": {"state": {0: {"exp_avg": torch.ones(1)}}, "names": []},
        "acc": 0.5,
    },
    "its average alone": lambda state: {"ema": state, "step": 3},
    "in two layers": lambda state: {"model": {"state_dict": state}, "lr": 0.1},
    "with another head": lambda state: {
        "backbone": state,
        "head": {"weight": torch.ones(5, 48)},
    },
    "with its options and figures": lambda state: {
        "model": state,
        "args": Namespace(lr=0.1, output=Path("runs")),
        "best": np.float64(0.5),
        "history": np.arange(3, dtype="float32"),
    },
    "with a state of a module's own": lambda state: {
        "state_dict": {**before("model.", state), "map._extra_state": None},
    },
    "with an optimizer's by names": lambda state: {
        "model": state,
        "optimizer": {
            f"{group}.{k}.{name}": value
            for k in state
            for group, name, value in [
                *(("state", name, torch.ones(1)) for name in ("avg", "sq")),
                *(("groups", name, 0.1) for name in ("lr", "eps", "decay")),
            ]
        },
    },
    "flat, with its epoch": lambda state: {**state, "epoch": 3},
    "AveragedModel": lambda state: {
        "n_averaged": torch.tensor(3),
        **before("module.", state),
    },
}


@pytest.mark.parametrize("loop", LOOPS)
def test_the_state_is_found_by_what_it_is(loop, hf, encoder, tmp_path):
    """Under whatever key, in a folder of nothing but a Lightning's .ckpt."""
    torch.save(LOOPS[loop](hf.state_dict()), tmp_path / "last.ckpt")
    assert same(load_pretrained(AST(SIZE), tmp_path), encoder)


@pytest.mark.parametrize(
    "keys",
    [
        ("model", "ema"),
        ("state_dict", "state_dict_ema"),
        ("student", "teacher"),
    ],
)
def test_a_model_and_its_average_are_refused(keys, hf, tmp_path):
    """The first was taken without a word."""
    state = hf.state_dict()
    saved = {keys[0]: state, keys[1]: before("module.", state), "epoch": 3}
    torch.save(saved, tmp_path / "both.pth")
    refusal(tmp_path, "two models", f"{keys[0]} and {keys[1]}", "both.pth")


def test_two_models_in_one_file_are_refused(hf, tmp_path):
    state = hf.state_dict()
    both = {**before("model.", state), **before("ema.", state)}
    torch.save(both, tmp_path / "both.pth")
    refusal(tmp_path, "two models", "ema. and model.", "both.pth")


STATED = {
    "num_attention_heads": 4,
    "hidden_act": "relu",
    "qkv_bias": False,
    "patch_size": 8,
    "layer_norm_eps": 1e-3,
}


@pytest.mark.parametrize("key", STATED)
def test_all_of_config_that_changes_the_function(key, tmp_path):
    """Shapes do not tell: 4 heads went into 3 without a word."""
    hf = ASTForAudioClassification(hf_config())
    hf.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = {**json.loads(file.read_text()), key: STATED[key]}
    file.write_text(json.dumps(config))
    refusal(tmp_path, "model.safetensors", f"{key}={STATED[key]!r}")


@pytest.mark.parametrize(
    "key, value",
    [
        ("max_length", "long"),
        ("time_stride", 0),
        ("num_attention_heads", [3]),
        ("layer_norm_eps", "small"),
    ],
)
def test_what_is_stated_is_a_number(key, value, hf, tmp_path):
    hf.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, key: value}))
    refusal(tmp_path, f"{key}={value!r}", "no number above 0", "config.json")


def test_null_states_nothing(hf, encoder, tmp_path):
    hf.save_pretrained(tmp_path)
    keys = "id2label", "layer_norm_eps", "num_attention_heads", "time_stride"
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, **dict.fromkeys(keys)}))
    assert same(load_pretrained(AST(SIZE), tmp_path), encoder)


def test_what_no_weight_can_be(hf, tmp_path):
    """Whole numbers have a scale elsewhere; what diverged is no start."""
    state = hf.state_dict()
    name = "audio_spectrogram_transformer.layernorm.bias"
    whole = {k: (10 * v).to(torch.int8) for k, v in state.items()}
    torch.save(whole, tmp_path / "a.pth")
    refusal(tmp_path, "of whole numbers: ", "and", encoder=AST(SIZE))
    torch.save(
        {**state, name: torch.full((48,), torch.nan)}, tmp_path / "a.pth"
    )
    refusal(tmp_path, "not finite: norm.bias.", encoder=AST(SIZE))


def test_a_mask_need_not_be_finite():
    """Nor need what a stranger's encoder is built with."""
    encoder = AST(SIZE)
    encoder.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    check_fit(encoder.state_dict(), encoder, "own.pt")
    encoder.mask.zero_()
    state = {**encoder.state_dict(), "mask": torch.tensor([0.0, -torch.inf])}
    with pytest.raises(InputError, match="not finite: mask"):
        check_fit(state, encoder, "own.pt")


def test_an_adapter_of_peft_is_named(tmp_path):
    name = "base_model.model.layers.0.attention.q_proj.lora_A.weight"
    torch.save({name: torch.ones(2, 48)}, tmp_path / "adapter_model.bin")
    refusal(tmp_path, "an adapter of PEFT: merge it")


def test_an_epsilon_of_its_own(tmp_path):
    """Refused by the option that takes it."""
    hf = ASTForAudioClassification(hf_config(layer_norm_eps=1e-3))
    hf.save_pretrained(tmp_path)
    refusal(tmp_path, "layer_norm_eps=0.001", "`epsilon: 0.001`")
    assert load_pretrained(AST(SIZE, epsilon=1e-3), tmp_path).norm.eps == 1e-3


OURS = {
    "AST": AST,
    "ViT": partial(ViT, family="eat"),
    "Whisper": Whisper,
    "WhisperDecoder": partial(WhisperDecoder, symbols=9),
    "Wav2Vec2": Wav2Vec2,
    "BEATs": BEATs,
}


@pytest.mark.parametrize("kind", OURS)
def test_ours_state_their_heads(kind, tmp_path):
    """No shape tells them."""
    file = save_pretrained(OURS[kind]((48, 2, 4)), tmp_path / "own.safetensors")
    load_pretrained(OURS[kind]((48, 2, 4)), file)
    with pytest.raises(InputError, match="heads='4'.* has '2': set `.*_size`"):
        load_pretrained(OURS[kind]((48, 2, 2)), file)


def test_ours_state_their_epsilon(tmp_path):
    file = save_pretrained(
        AST((48, 2, 4), epsilon=1e-3), tmp_path / "own.safetensors"
    )
    with pytest.raises(InputError, match="`epsilon: 0.001`"):
        load_pretrained(AST((48, 2, 4)), file)


@pytest.mark.parametrize("frames, stride", [(312, 10), (312, 16), (128, 12)])
def test_an_official_file_of_another_input(frames, stride, tmp_path):
    source = randomise(AST(SIZE, 128, frames, stride, stride))
    torch.save(official(source), tmp_path / "tuned.pth")
    refusal(tmp_path, "source_input: [frames, fstride, tstride]")
    wanted = AST(SIZE, frames=500, source_input=[frames, stride, stride])
    load_pretrained(wanted, tmp_path)
    expected = resize_positions(
        source.pos_embed, axes_of(source), axes_of(wanted)
    )
    assert torch.equal(wanted.pos_embed, expected)
    wrong = AST(SIZE, frames=500, source_input=[300, stride + 1, stride])
    refusal(tmp_path, "positions for", encoder=wrong)


def test_ssast_of_patches_loads(encoder, tmp_path):
    """Its pretraining: heads, an embedding of masks, the input it was for."""
    ssast = randomise(AST(SIZE, fstride=16, tstride=16))
    state = official(ssast)
    state["module.mask_embed"] = torch.ones(1, 1, 48)
    state["module.cpredlayer.0.weight"] = torch.ones(48, 48)
    state["module.gpredlayer.2.bias"] = torch.ones(256)
    state["module.p_input_fdim"] = torch.tensor(128)
    state["module.p_input_tdim"] = torch.tensor(1024)
    torch.save(state, tmp_path / "SSAST-Base-Patch-400.pth")
    loaded = load_pretrained(AST(SIZE, fstride=16, tstride=16), tmp_path)
    assert same(loaded, ssast)


def test_ssast_of_frames_is_named(encoder, tmp_path):
    state = official(encoder)
    state["module.v.patch_embed.proj.weight"] = torch.ones(48, 1, 128, 2)
    torch.save(state, tmp_path / "frame.pth")
    refusal(tmp_path, "an SSAST of frames")


def test_maest_is_named(tmp_path):
    labels = {0: "Electronic---House", 1: "Rock---Punk"}
    config = hf_config(num_mel_bins=96, max_length=626, id2label=labels)
    ASTForAudioClassification(config).save_pretrained(tmp_path)
    maest = AST(SIZE, mels=96, frames=626)
    refusal(tmp_path, "MAEST", "Essentia's 96 bands", encoder=maest)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"net.time_new_pos_embed": torch.ones(2)}, tmp_path / "m.pth")
    refusal(tmp_path, "PaSST, or a MAEST")
