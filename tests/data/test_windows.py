"""Windows of recordings: where they lie, what is read, how shots are drawn."""

import json

import numpy as np
import pytest
import soundfile
import torch
from layouts import sound
from speechbrain_petl import InputError
from speechbrain_petl.data.audio import read_audio
from speechbrain_petl.data.clips import write_clips
from speechbrain_petl.data.dataio import few_shots
from speechbrain_petl.data.tables import read_table
from speechbrain_petl.data.windows import (
    class_weights,
    cut,
    windowed_datasets,
    write_windows,
)
from speechbrain_petl.experiments.stats import statistics


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("duration", [0.2, 1.0, 1.05, 1.5, 7.0, 10.01, 3600.3])
def test_windows_cover_the_recording(duration, overlap):
    """All of it but a rest shorter than a tenth of a window."""
    spans = cut(duration, window=1.0, overlap=overlap)
    assert spans[0][0] == 0 and duration - spans[-1][1] <= 0.1 + 1e-6
    assert spans == sorted(set(spans))
    for (start, stop), (following, _) in zip(spans, spans[1:]):
        assert following <= stop + 1e-6
        assert stop - start == pytest.approx(1.0)


@pytest.mark.parametrize("overlap", [-0.1, 0.999999, 1.0])
def test_no_overlap_at_all(overlap):
    """It would go back, or never move on."""
    with pytest.raises(InputError, match=f"overlap={overlap} is no ratio"):
        cut(3, 1, overlap)


@pytest.mark.parametrize(
    "start, stop, words",
    [(5.0, 6.0, "its file ends at 1.0 s"), (0.5, 0.50001, "it stops at 0.5")],
)
def test_parts_without_a_sample(start, stop, words, tmp_path):
    """They are named before any training."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    item = {"wav": str(path), "labels": ["a"], "start": start, "stop": stop}
    with pytest.raises(InputError, match=f"a starts at {start} s, {words}"):
        write_windows(str(tmp_path / "t.json"), {"a": item}, 1.0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_read_from_an_offset(rate, tmp_path):
    """The samples that reading and resampling the whole file gives."""
    path = tmp_path / "long.wav"
    soundfile.write(path, sound(3, 3.01, rate, seed=rate), rate, "FLOAT")
    whole = read_audio(path)
    for start in (0.0, 0.05, 1.23456, 2.9):
        first = round(start * 16000)
        for samples in (None, 1000, 16000):
            part = read_audio(path, samples, start=start)
            expected = whole[first:][:samples]
            torch.testing.assert_close(part, expected, rtol=0, atol=1e-6)


def make_manifest(folder, files):
    """Files of (name, seconds, labels), cut into windows of half a second."""
    items = {}
    for number, (name, seconds, labels) in enumerate(files):
        wav = str(folder / f"{name}.wav")
        soundfile.write(wav, sound(number, seconds, 8000, seed=number), 8000)
        items[name] = {"wav": wav, "labels": labels}
    path = str(folder / "save" / "train.json")
    write_windows(path, items, window=0.5)
    return path


def test_datasets(tmp_path):
    """Windows know their file; two labels share a target."""
    files = [("b", 1.2, ["x"]), ("a", 0.5, ["y"]), ("c", 0.3, ["y", "x"])]
    path = make_manifest(tmp_path, files)
    labels_file = str(tmp_path / "labels.txt")
    datasets, labels = windowed_datasets({"train": path}, labels_file)
    items = list(datasets["train"])
    assert [i["id"][0] for i in items] == ["b", "b", "b", "a", "c"]
    assert [i["file"] for i in items] == [1, 1, 1, 0, 2]
    assert [len(i["sig"]) for i in items] == [8000, 8000, 8000, 8000, 4800]
    assert items[-1]["soft_targets"].tolist() == [0.5, 0.5]
    assert items[0]["soft_targets"].tolist() == [1.0, 0.0]
    whole = read_audio(tmp_path / "b.wav")
    torch.testing.assert_close(items[2]["sig"], whole[11200:19200])
    weights = class_weights(datasets["train"], labels)
    torch.testing.assert_close(weights, torch.tensor([5 / 7, 5 / 3]))


def test_statistics_of_windows(tmp_path):
    """Of the windows, not of the file once for each of them."""
    path = make_manifest(tmp_path, [("a", 1.0, ["x"])])
    entries = json.loads((tmp_path / "save" / "train.json").read_text())
    entries.pop("a:00001")
    (tmp_path / "first.json").write_text(json.dumps(entries))
    (tmp_path / "half.json").write_text(json.dumps({"a": entries["a:00000"]}))
    both, first = statistics(path), statistics(tmp_path / "first.json")
    assert both != first == statistics(tmp_path / "half.json")


def test_statistics_of_a_table(tmp_path):
    """AudioSet's clips are in a table, which says the same of the same clips."""
    path = make_manifest(tmp_path, [("a", 0.5, ["x"]), ("b", 0.4, ["x"])])
    files = [str(tmp_path / name).encode() for name in ("a.wav", "b.wav")]
    table = str(tmp_path / "train.npy")
    write_clips(table, np.array(files), np.zeros((2, 1)))
    assert statistics(table) == statistics(path)
    for name in ("nothing.npy", "nothing.json", "list.json", "array.npy"):
        (tmp_path / "list.json").write_text("[]")
        np.save(tmp_path / "array.npy", np.zeros(3))
        with pytest.raises(InputError, match=f"{name} is no manifest"):
            statistics(str(tmp_path / name))


def test_shots_are_recordings(caplog):
    """All windows of so many recordings of each class, or of all it has."""
    entries = {
        f"f{i}:{w}": {"file": f"f{i}", "labels": ["ab"[i % 2]]}
        for i in range(10)
        for w in range(3)
    }
    drawn = few_shots(entries, shots=2, seed=1)
    assert len(drawn) == 2 * 2 * 3
    assert len({e["file"] for e in drawn.values()}) == 4
    entries.pop("f1:0"), entries.pop("f1:1"), entries.pop("f1:2")
    drawn = few_shots(entries, shots=5, seed=1)
    assert len({e["file"] for e in drawn.values()}) == 9
    assert "1 of 2 classes have fewer training clips" in caplog.text
    assert caplog.text.rstrip().endswith("all are taken: b (4)")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "has no column id, path. Its first line names: nothing"),
        ("id,wav\n", "has no column path. .* names: id, wav"),
        ("id,path\n\n", "lists nothing below"),
        ("id,path\n\na,b\nc\n", "line 4: 1 values for 2 columns"),
        ("id,path\na,b,c\n", "line 2: 3 values for 2 columns"),
        ("id,path\na, \n", "line 2: path is empty"),
        ('id,path\na,"b\n', "is no csv file: unexpected end"),
        ("id,path\na\n\nb\n", "line 2: 1 values .*; line 4: 1 values"),
    ],
)
def test_malformed_tables(text, message, tmp_path):
    """The message names the line and what is wrong with it."""
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        read_table(str(path), ["id", "path"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_tables_of_any_encoding(encoding, tmp_path):
    """As spreadsheets of today and of long ago write them."""
    path = tmp_path / "table.csv"
    path.write_bytes("id\tPath\na\t\xe9t\xe9\n".encode(encoding))
    rows = read_table(str(path), ["id", "path"])
    assert rows == [(2, {"id": "a", "path": "\xe9t\xe9"})]


def test_tables_of_spreadsheets(tmp_path):
    """Semicolons, a byte order mark, Windows' line ends, quoted values."""
    path = tmp_path / "table.csv"
    path.write_bytes('\ufeffid;path\r\n"a;b";c, d\r\n\r\n'.encode())
    rows = read_table(str(path), ["id", "path"])
    assert rows == [(2, {"id": "a;b", "path": "c, d"})]
