"""Pretrained weights: every format, length and stride."""

import pytest
import timm
import torch
from checkpoints import (
    SIZE,
    hf_config,
    official,
    original_rule,
    prefixed,
    randomise,
    same,
    transformers_4,
)
from safetensors.torch import save_file
from speechbrain_petl.lobes.ast import AST
from speechbrain_petl.weights.loading import load_pretrained, save_pretrained
from speechbrain_petl.weights.positions import Axis, axes_of, resize_positions
from speechbrain_petl.weights.sources import read_state
from torch.nn import functional as F
from transformers import ASTForAudioClassification, ASTModel


@pytest.fixture(scope="module")
def hf():
    return randomise(ASTForAudioClassification(hf_config()))


@pytest.fixture(scope="module")
def folder(hf, tmp_path_factory):
    """What MIT/ast-finetuned-audioset-10-10-0.4593 looks like on disk."""
    path = tmp_path_factory.mktemp("hf")
    hf.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return load_pretrained(AST(SIZE), folder).eval()


def difference(encoder, model, frames):
    x = torch.randn(1, frames, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return (encoder(x) - model(x).last_hidden_state).abs().max().item()


def test_tokens_equal_those_of_transformers(hf, encoder):
    assert difference(encoder, hf.audio_spectrogram_transformer, 1024) < 1e-4


FORMS = {
    "transformers 4": lambda hf, _: transformers_4(hf),
    "transformers 4, prefix": lambda hf, _: prefixed(transformers_4(hf)),
    "transformers 5": lambda hf, _: (
        hf.audio_spectrogram_transformer.state_dict()
    ),
    "transformers 5, prefix and classifier": lambda hf, _: hf.state_dict(),
    "official": lambda _, encoder: official(encoder),
    "official, one device": lambda _, encoder: {
        k.removeprefix("module."): v for k, v in official(encoder).items()
    },
    "ours": lambda _, encoder: encoder.state_dict(),
    "wrapped": lambda _, encoder: {"model": official(encoder), "epoch": 3},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_naming_gives_the_same_encoder(form, hf, encoder, tmp_path):
    torch.save(FORMS[form](hf, encoder), tmp_path / "weights.pth")
    loaded = load_pretrained(AST(SIZE), tmp_path / "weights.pth")
    assert same(loaded, encoder)


def test_a_base_model_and_a_single_file_are_read(hf, encoder, tmp_path):
    hf.audio_spectrogram_transformer.save_pretrained(tmp_path)
    assert same(load_pretrained(AST(SIZE), str(tmp_path)), encoder)
    file = tmp_path / "model.safetensors"
    assert same(load_pretrained(AST(SIZE), str(file)), encoder)
    (tmp_path / "config.json").unlink()  # 1212 patches speak for themselves
    assert same(load_pretrained(AST(SIZE), file), encoder)


@pytest.mark.parametrize("frames, patches", [(500, 49), (1500, 149)])
def test_another_length_equals_transformers(frames, patches, hf, folder):
    state = hf.audio_spectrogram_transformer.state_dict()
    name = "embeddings.position_embeddings"
    table = original_rule(state[name], 12, patches)
    model = ASTModel(hf_config(max_length=frames)).eval()
    model.load_state_dict({**state, name: table})
    encoder = load_pretrained(AST(SIZE, frames=frames), folder).eval()
    torch.testing.assert_close(encoder.pos_embed.data, table)
    assert difference(encoder, model, frames) < 1e-4


def test_the_config_states_the_grid(tmp_path):
    config = hf_config(
        max_length=128, num_mel_bins=64, time_stride=12, frequency_stride=16
    )
    model = randomise(ASTModel(config))
    model.save_pretrained(tmp_path)
    encoder = AST(SIZE, mels=64, frames=128, fstride=16, tstride=12)
    load_pretrained(encoder, tmp_path)
    table = model.embeddings.position_embeddings
    assert torch.equal(encoder.pos_embed, table)
    # the strides, not only the number of patches, are those of the config
    other = load_pretrained(AST(SIZE, mels=64, frames=128), tmp_path)
    old = Axis(64, 16), Axis(128, 12)
    expected = resize_positions(table, old, axes_of(other))
    assert torch.equal(other.pos_embed, expected)


@pytest.mark.parametrize("stride", [10, 12, 14, 16])
def test_an_official_file_is_told_by_its_patches(stride, tmp_path):
    source = randomise(AST(SIZE, fstride=stride, tstride=stride))
    torch.save(official(source), tmp_path / "audioset.pth")
    same_stride = AST(SIZE, fstride=stride, tstride=stride)
    assert same(load_pretrained(same_stride, tmp_path), source)
    other = load_pretrained(AST(SIZE, frames=300, tstride=11), tmp_path)
    expected = resize_positions(
        source.pos_embed, axes_of(source), axes_of(other)
    )
    assert torch.equal(other.pos_embed, expected)


def test_deit_sums_its_colours_and_keeps_the_rest(tmp_path):
    deit = timm.create_model("deit_tiny_distilled_patch16_224", depth=2)
    state = randomise(deit).state_dict()
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    # timm's config.json is not one of Hugging Face's AST
    (tmp_path / "config.json").write_text('{"architecture": "deit"}')
    size = (192, 2, 3)
    encoder = load_pretrained(AST(size), tmp_path)
    grid = state["pos_embed"][:, 2:].transpose(1, 2).reshape(1, 192, 14, 14)
    grid = F.interpolate(grid, size=(14, 101), mode="bilinear")[:, :, 1:13]
    table = grid.reshape(1, 192, 1212).transpose(1, 2)
    expected = {
        **state,
        "pos_embed": torch.cat([state["pos_embed"][:, :2], table], dim=1),
        "patch_embed.proj.weight": state["patch_embed.proj.weight"].sum(
            1, keepdim=True
        ),
    }
    own = encoder.state_dict()
    assert set(expected) - set(own) == {
        f"{head}.{kind}"
        for head in ("head", "head_dist")
        for kind in ("weight", "bias")
    }
    for name in own:
        torch.testing.assert_close(own[name], expected[name])


def test_deit_of_16_bits_is_summed_in_32(tmp_path):
    deit = timm.create_model("deit_tiny_distilled_patch16_224", depth=1)
    half = randomise(deit).half().state_dict()
    save_file(half, tmp_path / "model.safetensors", {"format": "pt"})
    encoder = load_pretrained(AST((192, 1, 3)), tmp_path)
    colours = half["patch_embed.proj.weight"].float()
    own = encoder.patch_embed["proj"].weight
    assert torch.equal(own, colours.sum(1, keepdim=True))


def test_ours_make_a_round_trip(tmp_path):
    shape = dict(mels=64, frames=200, fstride=16, tstride=12)
    encoder = randomise(AST(SIZE, **shape))
    path = save_pretrained(encoder, str(tmp_path / "new" / "ast.safetensors"))
    assert read_state(path)[2] == {
        "format": "speechbrain_petl",
        "heads": "3",
        "layer_norm_eps": "1e-06",
        **{name: str(value) for name, value in shape.items()},
    }
    loaded = load_pretrained(AST(SIZE, **shape), path)
    assert same(loaded, encoder)
    other = load_pretrained(AST(SIZE), path)
    expected = resize_positions(
        encoder.pos_embed, axes_of(encoder), axes_of(other)
    )
    assert torch.equal(other.pos_embed, expected)
    # without metadata, the AST it is loaded into must have as many patches
    torch.save(encoder.state_dict(), tmp_path / "ast.pt")
    loaded = load_pretrained(AST(SIZE, **shape), tmp_path / "ast.pt")
    assert same(loaded, encoder)


def test_half_precision_is_read_into_the_encoders(encoder, tmp_path):
    half = {k: v.half() for k, v in encoder.state_dict().items()}
    torch.save(half, tmp_path / "half.pt")
    loaded = load_pretrained(AST(SIZE, frames=1100), tmp_path / "half.pt")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


@pytest.mark.parametrize("source", [None, ""])
def test_no_source_keeps_the_random_weights(source):
    encoder = AST(SIZE, frames=64)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    assert load_pretrained(encoder, source) is encoder
    assert all(torch.equal(encoder.state_dict()[k], before[k]) for k in before)
