"""Whisper's weights: Hugging Face's names, OpenAI's and ours."""

import pytest
import torch
import transformers
from safetensors.torch import save_file
from speech_models import noise
from speechbrain_petl import (
    InputError,
    Whisper,
    WhisperDecoder,
    load_pretrained,
    save_pretrained,
)
from whisper_models import openais, ours, theirs


def huggingface(model):
    """Write a folder of Hugging Face's."""

    def write(folder, dtype):
        theirs(model).to(dtype).save_pretrained(folder)
        return folder

    return write


def openai(folder, dtype):
    """Write a file of OpenAI's."""
    torch.save(openais(theirs().to(dtype)), folder / "tiny.en.pt")
    return folder / "tiny.en.pt"


def encoder_alone(folder, dtype):
    """Write their encoder by itself."""
    state = theirs().to(dtype).encoder.state_dict()
    save_file(state, folder / "model.safetensors")
    return folder


FORMS = {
    "WhisperModel": huggingface(transformers.WhisperModel),
    "of generation": huggingface(transformers.WhisperForConditionalGeneration),
    "of classes": huggingface(transformers.WhisperForAudioClassification),
    "encoder alone": encoder_alone,
    "OpenAI's": openai,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_every_form_gives_the_same_encoder(form, dtype, tmp_path):
    """In single precision, whatever the file's."""
    source = FORMS[form](tmp_path, dtype)
    encoder = load_pretrained(Whisper((32, 2, 4)), source).eval()
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    if form == "of classes":  # made of other random numbers
        model = theirs(transformers.WhisperForAudioClassification)
        reference = model.encoder
    else:
        reference = theirs().encoder
    reference = reference.to(dtype).float()
    if form == "of generation":
        model = theirs(transformers.WhisperForConditionalGeneration)
        reference = model.model.encoder.to(dtype).float()
    x = noise(1, 3000, 80)
    y = reference(x.transpose(1, 2)).last_hidden_state
    torch.testing.assert_close(encoder(x), y, atol=1e-4, rtol=1e-4)


def test_ours_make_a_round_trip(tmp_path):
    encoder = ours()
    file = save_pretrained(encoder, tmp_path / "own.safetensors")
    other = load_pretrained(Whisper((32, 2, 4)), file)
    for name, value in other.state_dict().items():
        assert torch.equal(value, encoder.state_dict()[name])


@pytest.mark.parametrize("form", ["WhisperModel", "OpenAI's"])
@pytest.mark.parametrize(
    "encoder, message",
    [
        (((32, 2, 2), 80), "head.*=4.*this one has 2: set `encoder_size`"),
        (((64, 2, 4), 80), r"of another shape: .*Set .*`encoder_size`"),
        (((32, 3, 4), 80), r"depth 3: missing: blocks.2"),
        (((32, 2, 4), 128), "mel.*=80.*this one has 128: set `mels`"),
    ],
)
def test_others_are_refused(form, encoder, message, tmp_path):
    """Heads, width, depth and mels are compared."""
    source = FORMS[form](tmp_path, torch.float32)
    with pytest.raises(InputError, match=message):
        load_pretrained(Whisper(encoder[0], mels=encoder[1]), source)


@pytest.mark.parametrize("form", ["of generation", "OpenAI's"])
def test_another_vocabulary_is_refused(form, tmp_path):
    """By the option that says it."""
    source = FORMS[form](tmp_path, torch.float32)
    with pytest.raises(InputError, match="vocab.*=50.*has 51: set `tokens`"):
        load_pretrained(WhisperDecoder((32, 1, 4), symbols=51), source)


def test_weights_of_something_else_are_refused(tmp_path):
    torch.save({"bias": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="does not fit Whisper.*and Whisper"):
        load_pretrained(ours(), tmp_path / "other.pt")
