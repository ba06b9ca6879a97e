"""Weights of ViTs: their authors' files, Hugging Face's, and ours."""

import json

import pytest
import torch
from safetensors.torch import save_file
from speechbrain_petl import InputError, ViT, load_pretrained, save_pretrained
from speechbrain_petl.lobes.vit_families import FAMILIES
from vit_models import SIZE, ours, spectrogram, theirs

HEAD = {"bias": torch.ones(3), "weight": torch.ones(3, 32)}
IMAGE = "modality_encoders.IMAGE."


def prefixed(prefix, state):
    """With something before each name."""
    return {f"{prefix}{name}": value for name, value in state.items()}


def huggingface(family, folder):
    """A folder of Hugging Face's, as the models' own code there names them."""
    state, config = theirs(family), {"num_heads": 4}
    if family == "ced":
        state = {
            k.replace("init_bn.1.", "init_bn."): v for k, v in state.items()
        }
        state = prefixed("encoder.", state) | prefixed("outputlayer.1.", HEAD)
    elif family == "dasheng":
        state = prefixed("encoder.", state)
        config = {"encoder_kwargs": config}
    elif family == "eat":
        names = {k: k.removeprefix(IMAGE) for k in state}
        names |= {
            f"{IMAGE}context_encoder.norm.{p}": f"pre_norm.{p}"
            for p in ("weight", "bias")
        }
        state = {names[k]: v for k, v in state.items()}
        state = prefixed("model.", state | prefixed("head.", HEAD))
    elif family == "bat":
        config = {"num_attention_heads": 4, "layer_norm_first": False}
    state.pop("encoder.init_bn.num_batches_tracked", None)
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def authors(family, folder):
    """A file as its authors' training has written it."""
    state = theirs(family)
    saved, file = {"model": state}, folder / "checkpoint.pt"
    if family == "ced":
        state |= {"front_end.0.spectrogram.window": torch.ones(512)}
        state |= prefixed("outputlayer.1.", HEAD)
        saved = state
    elif family == "dasheng":
        state |= {"front_end.0.mel_scale.fb": torch.ones(257, 64)}
        saved["config"] = {"embed_dim": 32, "num_heads": 4, "loss": None}
    elif family == "eat":
        state |= prefixed(f"{IMAGE}decoder.proj.", HEAD)
        state["_ema"] = {k: torch.zeros(1) for k in theirs(family)}
        saved["cfg"] = {"model": {"num_heads": 4, "norm_eps": 1e-6}}
        saved["optimizer_history"] = [{"num_updates": 3}]
    elif family == "bat":
        students = prefixed("student.encoder.", state)
        students |= prefixed("student.decoder.out_proj.", HEAD)
        others = prefixed(
            "teacher.encoder.", dict.fromkeys(state, HEAD["bias"])
        )
        saved = {"state_dict": students | others, "step": 402610}
    elif family == "audiomae":
        state |= {"mask_token": torch.ones(1, 1, 16)}
        state |= {"decoder_pos_embed": torch.ones(1, 513, 16)}
        state |= prefixed("decoder_blocks.0.mlp.fc1.", HEAD)
    torch.save(saved, file)
    return file


def finetuned(family, folder):
    """The model inside of a classifier, in DataParallel."""
    state = prefixed("model.", theirs(family)) | prefixed("head.", HEAD)
    torch.save(prefixed("module.", state), folder / "finetuned.pth")
    return folder / "finetuned.pth"


def own(family, folder):
    """A file of `save_pretrained`."""
    return save_pretrained(ours(family), folder / "own.safetensors")


FORMS = [huggingface, authors, finetuned, own]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_every_form_gives_the_same_encoder(form, family, tmp_path):
    encoder = load_pretrained(ViT(SIZE, family), form(family, tmp_path)).eval()
    x = spectrogram(64, FAMILIES[family].mels)
    torch.testing.assert_close(encoder(x), ours(family).eval()(x))


@pytest.mark.parametrize("family", FAMILIES)
def test_files_of_16_bits_are_computed_with_in_32(family, tmp_path):
    """What is made of their numbers is rounded once, when they were written."""
    found = []
    half = {k: v.bfloat16() for k, v in theirs(family).items()}
    for name, state in {
        "half": half,
        "whole": {k: v.float() for k, v in half.items()},
    }.items():
        torch.save(state, tmp_path / name)
        found.append(load_pretrained(ViT(SIZE, family), tmp_path / name))
    one, other = (encoder.state_dict() for encoder in found)
    assert {k for k, v in one.items() if not torch.equal(v, other[k])} == set()


@pytest.mark.parametrize(
    "size, options, message",
    [
        ((32, 2, 2), {}, "num_heads=4, as is stated .* this one has 2: set"),
        ((64, 2, 4), {}, r"of another shape: .*Set .*`encoder_size`"),
        ((32, 3, 4), {}, "depth 3: missing: blocks.2"),
    ],
)
@pytest.mark.parametrize("form", [huggingface, authors])
@pytest.mark.parametrize("family", ["dasheng", "eat"])
def test_others_are_refused(family, form, size, options, message, tmp_path):
    """Heads, width and depth are compared."""
    with pytest.raises(InputError, match=message):
        load_pretrained(ViT(size, family), form(family, tmp_path))


@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_are_refused(family, tmp_path):
    """By the name of their own."""
    message = f"these are weights of {family}, .* is {{}}: set `encoder_size`"
    for form in (authors, own):
        source = form(family, tmp_path)
        for other in FAMILIES.keys() - {family}:
            with pytest.raises(InputError, match=message.format(other)):
                load_pretrained(ViT(SIZE, other), source)


def test_a_finetuned_audiomae_is_refused(tmp_path):
    """It has no LayerNorm of the tokens."""
    state = theirs("audiomae") | prefixed(
        "fc_norm.", {"weight": torch.ones(32)}
    )
    torch.save({"model": state}, tmp_path / "both.pth")
    load_pretrained(ViT(SIZE, "audiomae"), tmp_path / "both.pth")
    state = {k: v for k, v in state.items() if not k.startswith("norm.")}
    torch.save({"model": state}, tmp_path / "finetuned.pth")
    with pytest.raises(
        InputError, match="finetuned.pth: .* take the pretrained"
    ):
        load_pretrained(ViT(SIZE, "audiomae"), tmp_path / "finetuned.pth")


def test_unknown_tensors_are_named(tmp_path):
    state = theirs("ced") | {"blocks.0.ls1.gamma": torch.ones(32)}
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(InputError, match="unexpected: blocks.0.ls1.gamma"):
        load_pretrained(ViT(SIZE, "ced"), tmp_path / "other.pt")
