"""Reading audio of every form, refusing what is not all there."""

import json
import struct

import numpy as np
import pytest
import soundfile
import torch
from layouts import ODD, truncated_wav, write_clip
from speechbrain_petl import InputError
from speechbrain_petl.data.audio import SAMPLE_RATE, check_audio, read_audio
from speechbrain_petl.data.dataio import (
    classification_datasets,
    few_shots,
    write_manifest,
)

TONE_HZ = 1000.0


def peak_hz(wav):
    """The strongest frequency of a waveform."""
    spectrum = torch.fft.rfft(wav * torch.hann_window(len(wav)))
    return spectrum.abs().argmax().item() * SAMPLE_RATE / len(wav)


def write_tone(path, rate, channels=1, subtype="PCM_16", seconds=0.5):
    """A sine of 1 kHz at half of full scale in the first channel."""
    t = np.arange(int(seconds * rate)) / rate
    x = np.zeros((len(t), channels))
    x[:, 0] = 0.5 * np.sin(2 * np.pi * TONE_HZ * t)
    soundfile.write(str(path), x, rate, subtype=subtype)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_a_sine_keeps_its_pitch_length_and_level(tmp_path, rate, channels):
    path = tmp_path / "a.wav"
    write_tone(path, rate, channels)
    wav = read_audio(path)
    assert wav.dtype == torch.float32
    assert abs(len(wav) - SAMPLE_RATE / 2) <= 2
    assert abs(peak_hz(wav) - TONE_HZ) <= 2
    # mono is the mean of the channels, of which one sounds
    level = wav[1000:-1000].abs().max().item() * channels
    assert abs(level - 0.5) < 0.01


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT"])
def test_every_width_is_the_same_sound(tmp_path, subtype):
    write_tone(tmp_path / "a.wav", SAMPLE_RATE)
    write_tone(tmp_path / "b.wav", SAMPLE_RATE, subtype=subtype)
    a, b = (read_audio(tmp_path / name) for name in ("a.wav", "b.wav"))
    assert (a - b).abs().max() < 2 / 2**7


def test_the_mean_of_the_channels(tmp_path):
    left, right = np.random.default_rng(0).uniform(-1, 1, (2, 800))
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([left, right], 1), 16000, subtype="DOUBLE")
    expected = torch.tensor((left + right) / 2, dtype=torch.float32)
    assert torch.allclose(read_audio(path), expected, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_the_start_of_a_clip_is_the_start_of_the_whole(tmp_path, rate):
    """What lies behind the cut does not change what lies before it."""
    path = tmp_path / "long.wav"
    write_clip(path, target=7, form=(3.0, rate, 2, "PCM_16"))
    whole, start = read_audio(path), read_audio(path, samples=SAMPLE_RATE)
    assert start.shape == (SAMPLE_RATE,)
    assert torch.allclose(start, whole[:SAMPLE_RATE], atol=1e-6)


def test_the_odd_forms(tmp_path):
    for name, form in ODD.items():
        path = tmp_path / f"{name}.wav"
        write_clip(path, target=0, form=form)
        assert check_audio(path) == pytest.approx(form[0], abs=1e-3)
        expected = min(round(form[0] * SAMPLE_RATE), SAMPLE_RATE)
        assert len(read_audio(path, samples=SAMPLE_RATE)) == expected


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "is missing"),
        (b"", "has 0 bytes"),
        (b"These are words." * 9, "is no audio file"),
        (truncated_wav()[:30], "is broken"),
        (truncated_wav()[:44], "holds no samples"),
        (truncated_wav(), "is truncated: 16022 bytes"),
        (truncated_wav(keep=1.0)[:-1], "is truncated"),
    ],
)
def test_what_is_not_all_there_is_refused(tmp_path, content, words):
    path = tmp_path / "broken.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}.* {words}") as error:
        write_manifest(str(tmp_path / "a.json"), {"a": {"wav": str(path)}})
    assert "Copy or download it again" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a.json").exists()


def test_a_streamed_wav_does_not_know_its_length(tmp_path):
    path = tmp_path / "streamed.wav"
    whole = truncated_wav(keep=1.0)
    path.write_bytes(whole[:40] + struct.pack("<I", 0xFFFFFFFF) + whole[44:])
    assert check_audio(path) == 1.0


def test_chunks_before_and_after_the_samples(tmp_path):
    """Such as broadcast wavs have, of an odd length too."""
    whole, path = truncated_wav(keep=1.0), tmp_path / "chunks.wav"
    chunk = b"note" + struct.pack("<I", 3) + b"abc\0"
    body = whole[12:36] + chunk + whole[36:] + chunk
    head = whole[:4] + struct.pack("<I", 4 + len(body)) + whole[8:12]
    path.write_bytes(head + body)
    assert check_audio(path) == 1.0
    path.write_bytes((head + body)[:-100])
    with pytest.raises(InputError, match="truncated"):
        check_audio(path)


def manifests(folder, labels):
    """Manifests of one clip per label and split."""
    paths = {}
    for split in ("train", "test"):
        items = {}
        for number, label in enumerate(labels[split]):
            wav = folder / f"{split}{number}.wav"
            write_clip(wav, target=number)
            items[wav.stem] = {"wav": str(wav), "label": label}
        paths[split] = str(folder / f"{split}.json")
        write_manifest(paths[split], items)
    return paths


def test_datasets(tmp_path):
    """The label set is sorted and that of all splits."""
    paths = manifests(tmp_path, {"train": "cab", "test": "ad"})
    entries = json.loads((tmp_path / "train.json").read_text())
    assert entries["train0"]["duration"] == pytest.approx(0.3)
    datasets, labels = classification_datasets(
        paths, 1600, str(tmp_path / "labels.txt")
    )
    assert [labels.lab2ind[name] for name in "abcd"] == [0, 1, 2, 3]
    assert (tmp_path / "labels.txt").is_file()
    first = datasets["train"][0]
    assert first["id"] == "train0" and first["sig"].shape == (1600,)
    assert first["target"] == 2
    assert first["soft_targets"].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert len(datasets["train"]) == 3 and len(datasets["test"]) == 2


def test_few_shots():
    entries = {f"{i:03}": {"label": "abc"[i % 3]} for i in range(60)}
    one, two, other = (
        set(few_shots(entries, shots, seed))
        for shots, seed in ((1, 5), (2, 5), (2, 6))
    )
    assert len(one) == 3 and len(two) == 6
    assert one < two and two != other
    assert list(few_shots(entries, 2, 5)) == sorted(two)
    for wrong in (0, "all"):
        with pytest.raises(InputError, match=f"shots={wrong}.* 1 or more"):
            few_shots(entries, wrong, 5)


def test_how_much_of_the_clips_is_read(tmp_path, caplog):
    """One line for each split some clips of which are cut."""
    entries = {
        f"{i}": {"wav": "", "label": "a", "duration": d}
        for i, d in enumerate((3.0, 3.0, 1.0, 1.01))
    }
    short = {"0": entries["2"]}
    for name, split in (("train", entries), ("test", short)):
        (tmp_path / f"{name}.json").write_text(json.dumps(split))
    paths = {s: str(tmp_path / f"{s}.json") for s in ("train", "test")}
    with caplog.at_level("WARNING"):
        classification_datasets(paths, SAMPLE_RATE, str(tmp_path / "l.txt"))
    (line,) = [r.getMessage() for r in caplog.records if "clips" in r.msg]
    assert line.startswith("train: 2 of 4 clips are longer than the 1.00 s")
    assert "50% of the sound is used" in line


class Broken(torch.utils.data.Dataset):
    """One clip that cannot be read."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return read_audio("/nowhere/a.wav")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_loader_worker_is_its_own_line(workers):
    loader = torch.utils.data.DataLoader(Broken(), num_workers=workers)
    with pytest.raises(InputError) as error:
        next(iter(loader))
    assert str(error.value).startswith("/nowhere/a.wav is missing. ")
    assert "\n" not in str(error.value)
