"""Files that are not what they seem: read as they are, or refused by name."""

import io
import json
import os
import resource
import sys
import time

import numpy as np
import odd_sounds
import pytest
import torch
from speechbrain_petl import InputError
from speechbrain_petl.data.audio import SAMPLE_RATE, check_audio, read_audio
from speechbrain_petl.data.finding import find_audio
from speechbrain_petl.experiments.stats import statistics

GOOD, BROKEN = odd_sounds.good(), odd_sounds.broken()
# the check reads the end of a file, and not what is in it; reading takes the
# length of what was checked for granted
FOUND_BY_READING = {n for n, file in BROKEN.items() if "finite" in file[1]}
FOUND_BY_CHECK = {
    f"half.{form}" for form in ("wav", "rf64", "w64", "aiff", "au")
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_odd_and_whole_is_read(name, tmp_path):
    """Whole, and in windows, which are the same samples."""
    path = odd_sounds.write_all(tmp_path, {name: GOOD[name]})[name]
    start = time.process_time()
    seconds, whole = check_audio(path), read_audio(path)
    assert abs(len(whole) / SAMPLE_RATE - seconds) < 0.01
    assert odd_sounds.SECONDS - 1e-3 < seconds < odd_sounds.SECONDS + 0.2
    assert whole.abs().max() > 0.2 and torch.isfinite(whole).all()
    # GSM and opus decode what is before, too
    close = 2e-3 if "opus" in name or "mp3" in name else 1e-6
    for second in (0.25, 1.0, 1.4):
        first = round(second * SAMPLE_RATE)
        for samples in (None, 4000):
            part = read_audio(path, samples, start=second)
            expected = whole[first:][:samples]
            torch.testing.assert_close(part, expected, rtol=0, atol=close)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named(name, tmp_path):
    """By the check or by reading, whole or in part, in no memory to speak of."""
    path = odd_sounds.write_all(tmp_path, {name: BROKEN[name]})[name]
    words = BROKEN[name][1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    readers = {read_audio: FOUND_BY_CHECK, check_audio: FOUND_BY_READING}
    for reader in (r for r, blind in readers.items() if name not in blind):
        with pytest.raises(InputError, match=words) as error:
            reader(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1e5


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - FOUND_BY_CHECK))
def test_what_is_broken_in_a_shard_is_named(name):
    """Where it is bytes, and an error calls it as it is told to."""
    with pytest.raises(InputError, match="shard 3: clip") as error:
        read_audio(io.BytesIO(BROKEN[name][0]), name="shard 3: clip")
    assert "\n" not in str(error.value)


def test_nothing_after_the_end(tmp_path):
    (tmp_path / "a.wav").write_bytes(odd_sounds.encoded("WAV"))
    with pytest.raises(InputError, match="a.wav ends before 3.0 s"):
        read_audio(tmp_path / "a.wav", start=3.0)


@pytest.mark.parametrize("name", [b"\xff.wav", b"\xe9t\xe9"])
def test_a_name_that_is_no_text(name, tmp_path):
    """Of an archive of old; it could stand in no manifest."""
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(odd_sounds.encoded("WAV"))
    (found,) = find_audio([tmp_path])
    with pytest.raises(InputError, match="the name of .* is not UTF-8"):
        check_audio(found)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        check_audio(tmp_path)


@pytest.mark.parametrize("name", ["nan_float.wav", "inf_double.wav"])
def test_no_statistic_of_what_is_no_number(name, tmp_path):
    files = {"good.wav": odd_sounds.encoded("WAV"), name: BROKEN[name]}
    paths = odd_sounds.write_all(tmp_path, files)
    manifest = tmp_path / "train.json"
    manifest.write_text(
        json.dumps({k: {"wav": str(p)} for k, p in paths.items()})
    )
    with pytest.raises(InputError, match=f"{name} holds samples that are not"):
        statistics(str(manifest))


def test_no_statistic_of_nothing(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match="a.json lists no sound"):
        statistics(str(tmp_path / "a.json"))


def test_statistics_of_a_sample(tmp_path):
    """A clip shorter than a frame has one, padded."""
    wav = odd_sounds.encoded("WAV", samples=odd_sounds.tone()[:1])
    path = odd_sounds.write_all(tmp_path, {"a.wav": wav})["a.wav"]
    (tmp_path / "a.json").write_text(json.dumps({"a": {"wav": str(path)}}))
    assert np.isfinite(statistics(str(tmp_path / "a.json"))).all()


SILENCE = np.zeros((8 * SAMPLE_RATE, 1))
LOUD = np.random.default_rng(0).standard_normal((2 * SAMPLE_RATE, 1)) / 4
CONSTANT = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}
UNINDEXED = {"loud first": (LOUD, SILENCE), "silent first": (SILENCE, LOUD)}


@pytest.mark.parametrize("order", UNINDEXED)
@pytest.mark.parametrize("tagged", [False, True])
def test_an_mp3_without_its_length_is_read_whole(order, tagged, tmp_path):
    """libsndfile guesses a fifth of it, or half as much again."""
    pytest.importorskip("av")
    data = odd_sounds.without_index(np.concatenate(UNINDEXED[order]))
    tag = b"ID3\4\0\0\0\0\x02\0" + bytes(256)
    path = tmp_path / "unindexed.mp3"
    path.write_bytes(tag + data if tagged else data)
    assert check_audio(path) == pytest.approx(10, abs=0.2)
    wav = read_audio(path)
    assert len(wav) / SAMPLE_RATE == pytest.approx(10, abs=0.2)
    loud = wav[: 2 * SAMPLE_RATE] if order == "loud first" else wav[-32000:]
    assert loud.std() > 0.2
    shard = read_audio(io.BytesIO(path.read_bytes()), name="shard")
    assert torch.equal(shard, wav)


def test_an_mp3_without_its_length_is_named(tmp_path, monkeypatch):
    """Where PyAV is not installed."""
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "unindexed.mp3"
    path.write_bytes(odd_sounds.without_index(np.concatenate([LOUD, SILENCE])))
    with pytest.raises(InputError, match="does not say its length.*needs PyAV"):
        check_audio(path)


def test_an_mp3_of_one_bit_rate_needs_no_length(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    data = odd_sounds.encoded("MP3", **CONSTANT)
    path = tmp_path / "constant.mp3"
    path.write_bytes(data[data.find(data[:2], 4) :])
    assert check_audio(path) == pytest.approx(odd_sounds.SECONDS, abs=0.2)
