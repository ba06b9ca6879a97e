"""Whisper's encoder against transformers', by itself and in a batch."""

import pytest
import torch
import transformers
from speech_models import noise
from speechbrain_petl import (
    AdaptedEncoder,
    ClipMean,
    InputError,
    LogMel,
    WeightedLayers,
    Whisper,
    load_pretrained,
)
from speechbrain_petl.data.audio import read_audio
from speechbrain_petl.lobes.whisper import POSITIONS, SIZES
from whisper_models import CLIPS, WEIGHTS, ours, real, theirs

from speechbrain.utils.data_utils import batch_pad_right


def of_theirs(model, tmp_path):
    """A Whisper with the weights of a model of transformers."""
    model.save_pretrained(tmp_path)
    config = model.config
    size = (32, config.encoder_layers, config.encoder_attention_heads)
    return load_pretrained(Whisper(size), tmp_path).eval()


def cropped(model, frames):
    """Their encoder, of the first positions only."""
    encoder = model.encoder
    encoder.config.max_source_positions = frames // 2
    table = encoder.embed_positions.weight.detach()
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(
        table[: frames // 2]
    )
    return encoder


@torch.no_grad()
def test_equals_transformers(tmp_path):
    """At 30 s, and shorter with their positions cropped; every layer."""
    model = theirs()
    encoder = of_theirs(model, tmp_path)
    for frames in (3000, 100):
        x = noise(2, frames, 80)
        y = cropped(model, frames)(x.transpose(1, 2), output_hidden_states=True)
        torch.testing.assert_close(
            encoder(x), y.last_hidden_state, atol=1e-5, rtol=1e-5
        )
        h = encoder.embed(x)
        for block, expected in zip(encoder.blocks, y.hidden_states[1:-1]):
            h = block(h)
            torch.testing.assert_close(h, expected, atol=1e-5, rtol=1e-5)


def test_new_positions_are_whispers():
    """The sinusoids that every published checkpoint has."""
    expected = theirs().encoder.embed_positions.weight
    waves = transformers.models.whisper.modeling_whisper.sinusoids(1500, 32)
    positions = Whisper((32, 1, 1)).positions
    assert positions.shape == expected.shape == (POSITIONS, 32)
    torch.testing.assert_close(positions.data, waves, atol=1e-3, rtol=0)


@torch.no_grad()
def test_a_padded_clip_is_encoded_as_by_itself():
    """Whatever the batch was padded with, and at odd lengths."""
    encoder, samples = ours().eval(), torch.tensor([9000, 4321, 161, 20])
    x = noise(4, 57, 80)
    pooling = ClipMean(encoder)
    y, pooled = encoder(x, samples), None
    pooled = pooling(y, samples)
    assert encoder.tokens_of(samples).tolist() == [29, 14, 1, 1]
    for i, n in enumerate(samples):
        alone = encoder(x[i : i + 1, : max(-(-int(n) // 160), 1)])
        torch.testing.assert_close(
            y[i, : alone.shape[1]], alone[0], atol=1e-5, rtol=1e-5
        )
        torch.testing.assert_close(
            pooled[i], alone[0].mean(0), atol=1e-5, rtol=1e-5
        )


@torch.no_grad()
def test_with_silence():
    """Attended to, as in the pretraining, and left out of the mean."""
    log_mel, encoder = LogMel(2.0, silence=True), ours(silence=True).eval()
    wavs, wav_lens = noise(2, 16000), torch.tensor([1.0, 0.5])
    samples = 16000 * wav_lens
    features = log_mel(wavs, wav_lens)
    y = encoder(features, samples)
    assert y.shape == (2, 1500, 32)
    torch.testing.assert_close(y, encoder(features))
    assert not torch.allclose(y, ours().eval()(features, samples), atol=1e-3)
    pooled = ClipMean(encoder)(y, samples)
    torch.testing.assert_close(pooled[1], y[1, :25].mean(0))


def test_checkpointing_changes_no_gradient():
    """Nor does it with the stack wrapped."""
    x, lengths = noise(2, 50, 80), torch.tensor([8000, 4000])
    for wrap in ({}, {"blocks": WeightedLayers}):
        gradients = []
        for checkpointing in (False, True):
            encoder = ours(gradient_checkpointing=checkpointing)
            encoder = AdaptedEncoder(encoder, wrap, ["*"]).train()
            encoder(x, lengths).square().sum().backward()
            gradients.append([p.grad for p in encoder.parameters()])
        torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size):
    """Those of transformers, but for the bias of keys, which is zero here."""
    with torch.device("meta"):
        encoder, model = Whisper(size), theirs(size=SIZES[size])
    keys = sum(b.norm1.bias.numel() for b in encoder.blocks)
    own = sum(p.numel() for p in encoder.parameters())
    assert own - keys == sum(p.numel() for p in model.encoder.parameters())


def test_what_cannot_be():
    for size in ("huge", (33, 2, 3), (32, 2, 3)):
        with pytest.raises(InputError, match="neither one of tiny, base"):
            Whisper(size)
    with pytest.raises(InputError, match="more than the 3000"):
        ours()(torch.zeros(1, 3001, 80))
    with pytest.raises(InputError, match="gradient_checkpointing='all'"):
        Whisper((32, 2, 2), gradient_checkpointing="all")


@pytest.mark.slow
@torch.no_grad()
def test_real_weights_on_real_clips():
    """Front end and encoder equal transformers', alone and in a batch."""
    weights = real(WEIGHTS)
    files = sorted((real(CLIPS) / "audio").glob("*.wav"))[::20]
    assert len(files) == 20
    extract = transformers.WhisperFeatureExtractor.from_pretrained(weights)
    model = transformers.WhisperModel.from_pretrained(
        weights, dtype=torch.float32
    ).eval()
    encoder = load_pretrained(Whisper("tiny"), weights).eval()
    clips = [read_audio(file, 80000) for file in files]
    close = {"atol": 1e-4, "rtol": 0}
    whole, short = LogMel(silence=True), LogMel()
    for clip in clips:
        wanted = extract(clip.numpy(), sampling_rate=16000, return_tensors="pt")
        wanted = wanted.input_features.transpose(1, 2)
        torch.testing.assert_close(whole(clip[None]), wanted, **close)
        own = short(clip[None])
        torch.testing.assert_close(own, wanted[:, : own.shape[1]], **close)
    for frames in (3000, 500):
        theirs_encoder = cropped(model, frames)
        for clip in clips:
            x = whole(clip[None])[:, :frames]
            y = theirs_encoder(x.transpose(1, 2)).last_hidden_state
            torch.testing.assert_close(encoder(x), y, **close)
    clips = [clip[: 80000 - 3777 * i] for i, clip in enumerate(clips)]
    wavs, wav_lens = batch_pad_right(clips)
    y = encoder(short(wavs, wav_lens), wav_lens * wavs.shape[1])
    for clip, row in zip(clips, y):
        alone = encoder(short(clip[None]))[0]
        # of numbers up to 10, summed in another order
        torch.testing.assert_close(
            row[: len(alone)], alone, atol=1e-4, rtol=1e-4
        )
