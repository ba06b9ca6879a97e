"""Whisper's front end against transformers'."""

import pytest
import torch
from speech_models import noise
from speechbrain_petl import InputError, LogMel
from transformers import WhisperFeatureExtractor


def theirs(wav, mels=80):
    """Their log-mel of a clip in 30 s of silence (frame, mel)."""
    extract = WhisperFeatureExtractor(feature_size=mels)
    features = extract(wav.numpy(), sampling_rate=16000, return_tensors="pt")
    return features.input_features[0].T


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize(
    "samples", [100, 161, 8000, 80000, 479700, 479999, 480000, 500000]
)
def test_equals_transformers(mels, samples):
    """Up to the end of the clip; with silence, to the end of the 30 s."""
    wav = noise(samples) * torch.linspace(0.001, 0.1, samples)
    expected = theirs(wav, mels)
    actual = LogMel(mels=mels)(wav[None])[0]
    assert len(actual) == min(-(-samples // 160), 3000)
    torch.testing.assert_close(
        actual, expected[: len(actual)], atol=1e-4, rtol=0
    )
    whole = LogMel(mels=mels, silence=True)(wav[None])[0]
    torch.testing.assert_close(whole, expected, atol=1e-4, rtol=0)


def test_silence():
    """Of no energy at all."""
    wav = torch.zeros(16000)
    torch.testing.assert_close(LogMel()(wav[None])[0], theirs(wav)[:100])


@pytest.mark.parametrize("silence", [False, True])
def test_a_padded_clip_has_its_own_values(silence):
    """Another's loudness and what follows the end have no effect."""
    log_mel = LogMel(seconds=0.8, silence=silence)
    loud, quiet = 3 * noise(12800), 0.01 * noise(5000, seed=1)
    wavs = torch.full((2, 12800), 9.0)
    wavs[0], wavs[1, :5000] = loud, quiet
    y = log_mel(wavs, torch.tensor([1.0, 5000 / 12800]))
    for clip, row in ((loud, y[0]), (quiet, y[1])):
        alone = log_mel(clip[None])[0]
        torch.testing.assert_close(row[: len(alone)], alone)
        assert silence or not row[len(alone) :].any()


def test_clips_are_cut():
    """After so many seconds, as if there was nothing else."""
    wavs = noise(2, 16000)
    y = LogMel(seconds=0.5)(wavs, torch.tensor([1.0, 0.25]))
    expected = LogMel()(wavs[:, :8000], torch.tensor([1.0, 0.5]))
    torch.testing.assert_close(y, expected)
    for seconds in (0, 31):
        with pytest.raises(InputError, match="at most 30 seconds"):
            LogMel(seconds)
