"""Resampling in bands against torchaudio's in one convolution; any rate."""

import resource
import time

import pytest
import torch
from speechbrain_petl.data.resample import rate_ratio, resample
from torchaudio.functional import resample as torchaudio_resample
from torchaudio.transforms import Resample

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000]
# old Macs and films, primes, the ends of what is read
ODD_RATES = [1000, 1009, 7919, 22254, 44056, 47952, 99991, 767957, 768000]


@pytest.mark.parametrize("samples", [1, 441, 442, 16001])
@pytest.mark.parametrize("new", [8000, 16000, 44100])
@pytest.mark.parametrize("old", RATES)
def test_equals_torchaudio(old, new, samples):
    wav = torch.randn(samples, generator=torch.Generator().manual_seed(old))
    ours = resample(wav, old, new)
    expected = Resample(old, new, dtype=torch.float64)(wav.double()).float()
    assert ours.shape == expected.shape
    assert torch.allclose(ours, expected, atol=2e-6)
    # its default rounds the moments of the samples to float32
    rounded = torchaudio_resample(wav, old, new)
    assert torch.allclose(ours, rounded, atol=1e-4)


def test_a_part_of_a_tensor():
    """What is not contiguous, such as one channel of a batch."""
    wavs = torch.randn(4410, 2)
    ours = resample(wavs[:, 1], 44100, 16000)
    assert torch.allclose(ours, Resample(44100, 16000)(wavs[:, 1]), atol=1e-4)


@pytest.mark.parametrize("rate", ODD_RATES)
def test_any_rate_in_bounded_time_and_memory(rate):
    """A tone stays what it is, to a thousandth of its level."""
    hz, seconds = 300.0, 2.0
    wav = torch.sin(
        torch.arange(int(seconds * rate)) / rate * 2 * torch.pi * hz
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    ours = resample(wav, rate, 16000)
    assert time.process_time() - start < 5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB; it was 2.8 GB
    expected = torch.sin(torch.arange(len(ours)) / 16000 * 2 * torch.pi * hz)
    assert abs(len(ours) - seconds * 16000) <= 1
    inside = slice(200, -200)
    assert torch.allclose(ours[inside], expected[inside], atol=5e-3)


def test_the_pitch_of_any_rate():
    """Off by an eighth of a thousandth at most: 0.2 cents."""
    for rate in [*range(1000, 768001, 997), *ODD_RATES, 16001, 15999, 16004]:
        old, new = rate_ratio(rate, 16000)
        assert abs(old / new / (rate / 16000) - 1) <= 1.25e-4, rate
