"""What people have in hand: taken as what it is, or refused by its name."""

import numpy as np
import pytest
import torch
from layouts import sound
from speechbrain_petl import AST, AudioClassifier, Fbank, InputError, Pooling

SAMPLES = 9000
X = torch.as_tensor(sound(30, 1.0, 16000, seed=1), dtype=torch.float32)
X = X[:SAMPLES] / X.abs().max() * 0.9
PCM = (X * 32767).round().to(torch.int16)
SHORT = X[:4000]
STEREO = torch.stack([X, -0.5 * X])
TAKEN = {  # what somebody has -> the clips that it is
    "one": (X, [X]),
    "batch": (torch.stack([X, X.flip(0)]), [X, X.flip(0)]),
    "numpy": (X.numpy(), [X]),
    "of 64 bits": (X.numpy().astype(np.float64), [X]),
    "big endian": (X.numpy().astype(">f4"), [X]),
    "backwards": (X.numpy()[::-1], [X.flip(0)]),
    "numbers": (X.tolist(), [X]),
    "half": (X.half(), [X]),
    "with gradient": (X.clone().requires_grad_(), [X]),
    "PCM": (PCM, [X]),
    "PCM of numpy": (PCM.numpy(), [X]),
    "list": ([X, SHORT], [X, SHORT]),
    "tuple of arrays": ((SHORT.numpy(), PCM.numpy()), [SHORT, X]),
    "list of lists": ([X.tolist(), SHORT.tolist()], [X, SHORT]),
    "array of arrays": (
        np.array([X.numpy(), SHORT.numpy()], object),
        [X, SHORT],
    ),
    "a list of stereo": ([STEREO, SHORT], [X / 4, SHORT]),
    "of soundfile": (STEREO.T.numpy(), [X / 4]),
    "a list of soundfile's": ([STEREO.T.numpy()], [X / 4]),
    "channels first": (torch.stack([STEREO, STEREO]), [X / 4] * 2),
    "channels last": (torch.stack([STEREO.T]), [X / 4]),
}
REFUSED = {  # what it is -> the message
    "file": ("a.wav", "str is no waveform; .* or a file to classify_file"),
    "files": (["a.wav", "b.wav"], "clip 0: str is no waveform"),
    "nothing": (None, "NoneType is no waveform"),
    "dict": ({"wav": X}, "dict is no waveform"),
    "torchaudio": ((X[None], 44100), "classify_batch.waveform, sample_rate=ra"),
    "scipy": ((44100, PCM.numpy()), "a number among the waveforms"),
    "scaled": (X * 32767, "samples of 2.*by 32768"),
    "int32": (PCM.int(), "the full scale of torch.int32 is not known"),
    "bytes": (np.zeros(9, np.uint8), "full scale of torch.uint8"),
    "complex": (np.zeros(99, complex), "complex128 is no waveform"),
    "bool": (torch.ones(99, dtype=torch.bool), "torch.bool"),
    "nan": (X / 0, "samples that are no numbers"),
    "nan in a list": ([SHORT, X * float("nan")], "clip 1: .* no numbers"),
    "empty": (torch.zeros(0), r"shape \(0,\)"),
    "empty list": ([], r"shape \(0,\)"),
    "an empty clip": ([X, X[:0]], r"clip 1 has the shape \(0,\)"),
    "a number": (torch.tensor(0.5), r"shape \(\)"),
    "four axes": (X.view(1, 1, 1, -1), r"shape \(1, 1, 1, 9000\)"),
    "no samples": (torch.zeros(3, 5), r"shape \(3, 5\)"),
    "spectrogram": (torch.zeros(2, 128, 64), r"shape \(2, 128, 64\)"),
    "list of batches": ([torch.zeros(9, 999)], r"clip 0 has the shape \(9, 99"),
    "ragged": ([[[0.1], [0.1, 0.2]]], "clip 0 is no waveform"),
}


@pytest.fixture(scope="module")
def classifier():
    """Of random weights."""
    torch.manual_seed(0)
    modules = {
        "fbank": Fbank(frames=64),
        "encoder": AST((32, 2, 2), frames=64),
        "pooling": Pooling(),
        "classifier": torch.nn.Linear(32, 3),
    }
    hparams = {"labels": [*"abc"], "activation": "softmax", "overlap": None}
    return AudioClassifier(modules, hparams)


@pytest.mark.parametrize("name", TAKEN)
def test_taken(classifier, name):
    """Each clip says what its samples say, alone."""
    given, clips = TAKEN[name]
    said = classifier.classify_batch(given)[0]
    vectors = classifier.encode_batch(given)
    # 16 bits round; and half-precision floats more
    tolerance = {"half": 1e-3, "PCM": 1e-4}.get(name[:4].strip(), 1e-5)
    for row, vector, clip in zip(said, vectors, clips, strict=True):
        wanted = classifier.classify_batch(clip)[0][0]
        torch.testing.assert_close(row, wanted, rtol=0, atol=tolerance)
        wanted = classifier.encode_batch(clip)[0]
        torch.testing.assert_close(vector, wanted, rtol=0, atol=100 * tolerance)


def test_the_clips_differ(classifier):
    """So that the test above can fail."""
    clips = X, SHORT, X / 4, X.flip(0)
    said = [classifier.classify_batch(clip)[0] for clip in clips]
    for i, one in enumerate(said):
        assert all((one - other).abs().max() > 1e-3 for other in said[:i])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(classifier, name):
    """Never a wrong answer."""
    given, message = REFUSED[name]
    for method in (classifier.classify_batch, classifier.encode_batch):
        with pytest.raises(InputError, match=message):
            method(given)


@pytest.mark.parametrize(
    "rate", [0, -1, 999, 44.1, 44100.5, "44100", None, float("nan"), True]
)
def test_rates_that_are_none(classifier, rate):
    with pytest.raises(InputError, match="sample_rate=.*: give Hz, a whole"):
        classifier.classify_batch(X, sample_rate=rate)


@pytest.mark.parametrize(
    "wavs, wav_lens, message",
    [
        (torch.stack([X, X]), [1.0], r"wav_lens of shape \(1,\) for 2 clips"),
        (torch.stack([X, X]), [9000, 4000], "fractions of the longest"),
        (torch.stack([X, X]), [1.0, 0.0], "fractions of the longest"),
        (torch.stack([X, X]), [1.0, float("nan")], "fractions of the longest"),
        ([X, X], [1.0, 1.0], "not to a list"),
    ],
)
def test_lengths_that_are_none(classifier, wavs, wav_lens, message):
    with pytest.raises(InputError, match=message):
        classifier.classify_batch(wavs, torch.tensor(wav_lens))


def test_a_list_at_another_rate(classifier):
    """Each is resampled at its own length."""
    clips = [X, SHORT]
    said = classifier.classify_batch(clips, sample_rate=48000)[0]
    for row, clip in zip(said, clips):
        alone = classifier.classify_batch(clip, sample_rate=48000)[0]
        torch.testing.assert_close(row, alone[0], rtol=0, atol=1e-5)


def test_long_clips(classifier):
    """What is longer than a window says what its windows say together."""
    samples = classifier.mods["fbank"].samples
    long = torch.cat([X, -X, X.flip(0)])[: 2 * samples]
    said = classifier.classify_batch([X, long])[0]
    windows = classifier.classify_batch(long.view(2, -1))[0]
    wanted = windows.log().mean(dim=0).softmax(dim=0)
    torch.testing.assert_close(said[1], wanted, rtol=0, atol=1e-5)
    alone = classifier.classify_batch(X)[0][0]
    torch.testing.assert_close(said[0], alone, rtol=0, atol=1e-5)
