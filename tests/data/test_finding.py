"""Which files are sound, by their content; what only PyAV reads."""

import builtins
import logging
from fractions import Fraction

import numpy as np
import odd_sounds
import pytest
import torch
from speechbrain_petl import InputError
from speechbrain_petl.data.audio import SAMPLE_RATE, check_audio, read_audio
from speechbrain_petl.data.finding import find_audio

# file -> format, codec and rate that FFmpeg writes it with
FOREIGN = {
    "a.m4a": ("ipod", "aac", 44100),
    "a.mp4": ("mp4", "aac", 44100),
    "a.aac": ("adts", "aac", 44100),
    "a.webm": ("webm", "libopus", 48000),
    "a.mkv": ("matroska", "flac", 44100),
    "a.amr": ("amr", "libopencore_amrnb", 8000),
    "a.wma": ("asf", "wmav2", 44100),
    "a.wv": ("wv", "wavpack", 44100),
}


def chirp(rate):
    """A sine that rises from 300 to 3000 Hz, so that every moment is its own."""
    t = np.arange(int(odd_sounds.SECONDS * rate)) / rate
    cycles = 300 * t + 1350 * t**2 / odd_sounds.SECONDS
    return 0.3 * np.sin(2 * np.pi * cycles).astype(np.float32)[None]


def write_foreign(path, form, codec, rate, video=False, sound=True):
    """A chirp of 1.5 s as FFmpeg writes it; skips what it cannot."""
    av = pytest.importorskip("av")
    if codec not in av.codecs_available:
        pytest.skip(f"FFmpeg writes no {codec} here")
    with av.open(str(path), "w", format=form) as container:
        if video:
            pictures = container.add_stream("mpeg4", rate=25)
            pictures.width = pictures.height = 32
        if sound:
            stream = container.add_stream(codec, rate=rate)
            stream.layout = "mono"
            stream.bit_rate = 12200 if "amr" in codec else 96000
        if video:
            black = np.zeros((32, 32, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(black, format="rgb24")
            container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
        if sound:
            convert = av.AudioResampler(
                format=stream.codec_context.format.name,
                layout="mono",
                rate=rate,
                frame_size=stream.codec_context.frame_size or 1024,
            )
            frame = av.AudioFrame.from_ndarray(chirp(rate), "fltp", "mono")
            frame.sample_rate, frame.pts = rate, 0
            frame.time_base = Fraction(1, rate)
            for part in convert.resample(frame) + convert.resample(None):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))


@pytest.mark.parametrize("name", FOREIGN)
def test_what_ffmpeg_reads(name, tmp_path):
    """All of it and in windows, which lie where they lie in the whole."""
    path = tmp_path / name
    write_foreign(path, *FOREIGN[name], video=name == "a.mp4")
    seconds, whole = check_audio(path), read_audio(path)
    assert abs(seconds - odd_sounds.SECONDS) < 0.1
    assert abs(len(whole) / SAMPLE_RATE - seconds) < 0.1
    assert 0.2 < whole[8000:16000].abs().max() < 0.5
    part = read_audio(path, 4000, start=0.9)
    lags = torch.nn.functional.conv1d(
        whole[None, None, 14000:18800], part[None, None, 400:-400]
    )
    # times in whole milliseconds are 16 samples apart
    assert abs(lags.argmax().item() - 800) <= 18 and len(part) == 4000
    assert find_audio([tmp_path]) == [str(path)]


@pytest.mark.parametrize(
    "name, head, what",
    [
        ("a.m4a", b"\0\0\0\x1cftypM4A ", "an MPEG-4"),
        ("a.amr", b"#!AMR\n", "an AMR"),
        ("a.WMA", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media"),
    ],
)
def test_without_pyav_the_line_says_what_it_needs(
    name, head, what, tmp_path, monkeypatch
):
    plain = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "av":
            raise ImportError
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    path = tmp_path / name
    path.write_bytes(head + bytes(99))
    for reader in (check_audio, read_audio):
        with pytest.raises(
            InputError, match=rf"{what} .*PyAV, pip install .*s\]"
        ):
            reader(path)
    assert find_audio([tmp_path]) == [str(path)]  # to be checked, and named
    path.rename(tmp_path / "a.mp4")  # a folder may have those for other ends
    with pytest.raises(InputError, match=rf"no sound file.*1 {what} file"):
        find_audio([tmp_path])


@pytest.mark.parametrize("keep", [0.02, 0.5])
def test_half_of_what_ffmpeg_reads(keep, tmp_path):
    path = tmp_path / "a.m4a"
    write_foreign(path, *FOREIGN["a.m4a"])
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InputError, match="a.m4a is broken") as error:
        check_audio(path)
    assert "\n" not in str(error.value)


def test_a_video_without_sound(tmp_path):
    path = tmp_path / "b.mp4"
    write_foreign(path, "mp4", "aac", 44100, video=True, sound=False)
    with pytest.raises(InputError, match="b.mp4 .* without a sound track"):
        check_audio(path)


def test_a_folder_of_everything(tmp_path, caplog):
    """Sound of any name is found, what is none is counted, once each."""
    sounds = odd_sounds.write_all(tmp_path, odd_sounds.good())
    (tmp_path / "below").mkdir()
    sounds |= odd_sounds.write_all(
        tmp_path / "below", {"b.flac": odd_sounds.encoded("FLAC")}
    )
    others = {
        "notes.txt": b"These are words",
        "list.csv": b"a,b\n",
        "cover.jpg": b"\xff\xd8\xff" + bytes(99),
        "._rate_1000.wav": b"\x00\x05\x16\x07",
    }
    odd_sounds.write_all(tmp_path, others)
    with caplog.at_level(logging.WARNING):
        found = find_audio([tmp_path, sounds["loud.wav"]])
    assert sorted(found) == sorted(map(str, sounds.values()))
    assert "3 files are left out" in caplog.text
    assert "2 a text, 1 a picture (JPEG)" in caplog.text
    # what is called sound and is none is not passed over
    (tmp_path / "page.wav").write_bytes(b"<html>")
    assert str(tmp_path / "page.wav") in find_audio([tmp_path])


def test_a_folder_without_sound(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(InputError, match="holds no sound file.*1 a text"):
        find_audio([tmp_path])
