"""The filterbank against torchaudio's Kaldi port, clip by clip."""

import time

import pytest
import torch
from speechbrain_petl import Fbank, InputError
from torchaudio.compliance import kaldi


def sounds(clips=8, samples=79900):
    """Chirps over noise with an offset and a rumble: nothing digital."""
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(samples) / 16000
    pitch = 200 + 2000 * torch.rand(clips, 1, generator=generator)
    x = 0.3 * torch.sin(6.28 * pitch * t * (1 + 0.2 * t))
    x = x + 0.1 * torch.sin(6.28 * 30 * t) + 0.05
    return x + 0.1 * torch.randn(clips, samples, generator=generator)


def reference(wav):
    """One clip (sample,) as the AST feature extractor computes it."""
    return kaldi.fbank(
        wav.unsqueeze(0),
        htk_compat=True,
        sample_frequency=16000,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
    )


def test_equals_kaldi():
    wavs = sounds()
    ours = Fbank(frames=600).log_mel(wavs)
    theirs = torch.stack([reference(wav) for wav in wavs])
    assert ours.shape == theirs.shape == (8, 497, 128)
    # Kaldi's own rounding: it is 2.4e-3 away from itself in float64
    assert (ours - theirs).abs().max() < 2e-3


def test_is_as_exact_as_kaldi():
    """Near silence both round; neither may be far from float64."""
    wavs = 0.3 * sounds() / 100 + 0.3
    exact = torch.stack([reference(wav.double()) for wav in wavs])
    ours = (Fbank(frames=600).log_mel(wavs) - exact).abs().max()
    theirs = torch.stack([reference(wav) for wav in wavs])
    assert ours < 2 * (theirs - exact).abs().max()


def test_pads_before_it_normalises():
    fbank = Fbank(frames=120)
    out = fbank(sounds(2, 16000))
    logmel = torch.nn.functional.pad(
        torch.stack([reference(w) for w in sounds(2, 16000)]), (0, 0, 0, 22)
    )
    expected = (logmel - -4.2677393) / (2 * 4.5689974)
    assert (out - expected).abs().max() < 1e-3
    assert out[0, -1, 0].item() == pytest.approx(fbank.padding_value)


def test_crops():
    wavs = sounds(2)
    short, long = Fbank(frames=100), Fbank(frames=400)
    assert torch.equal(short(wavs), short(wavs[:, : short.samples]))
    # not bit-equal: each takes the mean of what it sees away first
    assert (short(wavs) - long(wavs)[:, :100]).abs().max() < 1e-3


def test_a_padded_batch_equals_clip_by_clip():
    fbank = Fbank(frames=200)
    clips = [w[:n] for w, n in zip(sounds(3), (32000, 9000, 300))]
    longest = max(map(len, clips))
    batch = torch.stack(
        [torch.nn.functional.pad(c, (0, longest - len(c))) for c in clips]
    )
    wav_lens = torch.tensor([len(c) / longest for c in clips])
    together = fbank(batch, wav_lens)
    for row, clip in zip(together, clips):
        assert (row - fbank(clip[None])[0]).abs().max() < 1e-3


def test_a_clip_shorter_than_a_window_has_one_frame():
    out = Fbank(frames=20)(sounds(1, 100))
    padded = Fbank(frames=20).padding_value
    assert (out[0, 0] != padded).any() and (out[0, 1:] == padded).all()


def test_digital_silence_is_the_floor():
    out = Fbank(frames=50).log_mel(torch.zeros(1, 16000))
    floor = torch.tensor(torch.finfo(torch.float32).eps).log()
    assert torch.equal(out, floor.expand_as(out))


def test_stays_fp32_under_autocast_and_out_of_the_checkpoint():
    fbank, wavs = Fbank(frames=100), sounds(2, 16000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fbank(wavs), fbank(wavs.clone()))
        assert fbank(wavs).dtype == torch.float32
    assert not fbank.state_dict() and not fbank(wavs).requires_grad


def test_too_many_mels_are_refused():
    with pytest.raises(InputError, match="mels=1000.*would be empty"):
        Fbank(mels=1000)


def test_no_frames_are_refused():
    with pytest.raises(InputError, match="frames=0"):
        Fbank(frames=0)


@pytest.mark.slow
def test_is_faster_than_clip_by_clip():
    wavs, fbank, times = sounds(32), Fbank(frames=500), {}
    for _ in range(15):
        for name, function in (
            ("batch", lambda: fbank(wavs)),
            ("clips", lambda: [reference(w) for w in wavs]),
        ):
            start = time.perf_counter()
            function()
            times.setdefault(name, []).append(time.perf_counter() - start)
    ratio = sorted(times["clips"])[7] / sorted(times["batch"])[7]
    print(f"batches of 32 against clip by clip: {ratio:.2f} times faster")
    assert ratio > 2
