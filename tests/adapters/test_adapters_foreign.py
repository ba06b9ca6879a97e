"""The wrappers on encoders of other libraries, by globs alone."""

import pytest
import torch
from foreign_encoders import (
    ENCODERS,
    features,
    methods,
    torchaudio_wav2vec2,
    transformers_wav2vec2,
)
from speechbrain_petl.adapters.adapted import AdaptedEncoder

NAMES = list(methods("", "", "", ""))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", ENCODERS, ids=lambda make: make.__name__)
def test_on_other_encoders_by_globs_alone(make, name):
    """Same output shape, same function at first, and all of it trains."""
    torch.manual_seed(0)
    encoder, x = make()
    expected = features(encoder.eval()(x))
    wrap = methods(*ENCODERS[make])[name]
    adapted = AdaptedEncoder(encoder, wrap)
    actual = features(adapted.eval()(x))
    assert actual.shape == expected.shape
    if name not in ("prompt", "prefix", "everything"):
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.01)
    for _ in range(2):
        optimiser.zero_grad()
        y = features(adapted.train()(x))
        (y * torch.randn(y.shape)).sum().backward()
        optimiser.step()
    assert all(p.grad.count_nonzero() for p in trained)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["prompt", "prefix"])
def test_padded_batches_of_transformers(name, implementation):
    """A padded clip is encoded as by itself, whatever it was padded with."""
    torch.manual_seed(0)
    encoder, x = transformers_wav2vec2()
    encoder.set_attn_implementation(implementation)
    wrap = methods(*ENCODERS[transformers_wav2vec2])[name]
    adapted = AdaptedEncoder(encoder, wrap).eval()
    mask = torch.ones(x.shape, dtype=torch.long)
    mask[1, 500:] = 0
    short = 20  # tokens that see none of the padding through a convolution
    outputs = []
    for seed in range(2):
        x[1, 500:] = torch.randn(300)
        outputs.append(features(adapted(x, attention_mask=mask))[1, :short])
    assert outputs[0].isfinite().all()
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data.mul_(-2)
    moved = features(adapted(x, attention_mask=mask))[1, :short]
    assert not torch.allclose(moved, outputs[0])


@pytest.mark.parametrize("name", ["prompt", "prefix"])
def test_padded_batches_of_torchaudio(name):
    """The additive mask of torchaudio is padded as well."""
    torch.manual_seed(0)
    encoder, x = torchaudio_wav2vec2()
    wrap = methods(*ENCODERS[torchaudio_wav2vec2])[name]
    adapted = AdaptedEncoder(encoder, wrap).eval()
    y, lengths = adapted(x, torch.tensor([800, 500]))
    assert y.isfinite().all() and lengths[1] < lengths[0]
