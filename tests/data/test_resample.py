"""Resampling in bands against torchaudio's in one convolution."""

import pytest
import torch
from speechbrain_petl.data.resample import resample
from torchaudio.transforms import Resample

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000]


@pytest.mark.parametrize("samples", [1, 441, 442, 16001])
@pytest.mark.parametrize("new", [8000, 16000, 44100])
@pytest.mark.parametrize("old", RATES)
def test_equals_torchaudio(old, new, samples):
    wav = torch.randn(samples, generator=torch.Generator().manual_seed(old))
    ours, expected = resample(wav, old, new), Resample(old, new)(wav)
    assert ours.shape == expected.shape
    assert torch.allclose(ours, expected, atol=2e-6)


def test_a_part_of_a_tensor():
    """What is not contiguous, such as one channel of a batch."""
    wavs = torch.randn(4410, 2)
    ours = resample(wavs[:, 1], 44100, 16000)
    assert torch.allclose(ours, Resample(44100, 16000)(wavs[:, 1]), atol=1e-6)
