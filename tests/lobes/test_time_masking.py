"""Spans of tokens masked in training, against transformers'."""

import numpy as np
import pytest
import torch
from speech_models import SIZE, huggingface, noise
from speechbrain_petl import (
    AdaptedEncoder,
    Augment,
    ClipMean,
    Wav2Vec2,
    Waveform,
    load_pretrained,
)
from speechbrain_petl.lobes.time_masking import TimeMasking
from speechbrain_petl.training.cache.frozen import LEVELS, obstacle_to
from transformers.models.wav2vec2 import modeling_wav2vec2

COUNTS, DRAWS = [500, 250, 40, 9], 300


def test_as_many_as_transformers_masks():
    """On average, in clips of any length; none past the end of a clip."""
    torch.manual_seed(0)
    np.random.seed(0)
    masking, counts = TimeMasking(8), torch.tensor(COUNTS)
    own = torch.arange(500) < counts.unsqueeze(1)
    ours = torch.stack([masking.spans(counts, 500) for _ in range(DRAWS)])
    theirs = [
        modeling_wav2vec2._compute_mask_indices(
            (3, 500), 0.05, 10, own[:3].long(), min_masks=2
        )
        for _ in range(DRAWS)
    ]
    assert not (ours & ~own).any()
    assert not ours[:, 3].any()  # shorter than a span
    mean = ours.float().sum(2).mean(0)
    assert mean[:3].numpy() == pytest.approx(
        np.sum(theirs, axis=2).mean(0), rel=0.05
    )
    starts = ours[0, 1].int().diff().eq(1).sum()
    assert ours[0, 1].sum() >= 10 * starts


def test_in_training_alone(tmp_path):
    """By an option, with the vector that Hugging Face's weights have for it."""
    theirs = huggingface("wav2vec2_base")
    theirs.save_pretrained(tmp_path)
    plain = load_pretrained(Wav2Vec2(SIZE), tmp_path)
    masked = load_pretrained(Wav2Vec2(SIZE, time_masking=0.05), tmp_path)
    extra = masked.state_dict().keys() - plain.state_dict().keys()
    assert extra == {"time_masking.embedding"}
    vector = theirs.masked_spec_embed
    assert torch.equal(masked.time_masking.embedding, vector)
    wavs = noise(2, 16000)
    assert torch.equal(masked.eval()(wavs), plain.eval()(wavs))
    masked.train()
    found = []
    masked.encoder.transformer.register_forward_pre_hook(
        lambda module, args: found.append(args[0])
    )
    masked(wavs, torch.tensor([16000, 12000]))
    there = (found[0] == vector).all(dim=2)
    assert (there.sum(1) >= 10).all()
    assert not there[1, masked.tokens_of(torch.tensor(12000)) :].any()


def test_it_cannot_be_cached():
    """Other tokens in each epoch, also where nothing trains."""
    modules = {"wave_augment": Augment(), "augment": Augment()}
    modules["fbank"] = Waveform(1.0)
    reasons = {
        "features": "Wav2Vec2 takes clips of any length",
        "frozen": "something inside of Wav2Vec2 trains, or is hidden in training",
    }
    for train in (["*.layers.-1.*"], []):
        encoder = Wav2Vec2(SIZE, time_masking=0.5)
        adapted = AdaptedEncoder(encoder, train=train)
        modules |= {"encoder": adapted, "pooling": ClipMean(encoder)}
        for level in LEVELS:
            said = obstacle_to(level, torch.nn.ModuleDict(modules), {})
            assert said == reasons[level]
