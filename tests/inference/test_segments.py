"""What is when: segments of windows, their files, and embeddings."""

import csv

import numpy as np
import pandas
import pytest
import soundfile
import torch
from layouts import sound
from speechbrain_petl import AudioClassifier, InputError
from speechbrain_petl.data.audio import read_audio
from speechbrain_petl.inference.answers import Answer
from speechbrain_petl.inference.commands.classify import main
from speechbrain_petl.inference.segments import find_segments

LABELS = ["dog", "cat"]
SPANS = [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (3.0, 5.0)]
WINDOW = 10480 / 16000  # seconds, of 64 frames


def answer(activation, *probabilities):
    """Of one file, from the probabilities of its windows."""
    probabilities = torch.tensor(probabilities, dtype=torch.float64)
    inverse = {"softmax": torch.log, "sigmoid": torch.logit}[activation]
    spans = SPANS[: len(probabilities)]
    logits = inverse(probabilities)
    return Answer("a.wav", spans=spans, logits=logits, activation=activation)


def found(*args, **kwargs):
    """The segments as tuples."""
    segments = find_segments(*args, **kwargs)
    return [(s.start, s.end, s.label, round(s.score, 4)) for s in segments]


def test_the_likeliest_label():
    """One for each window, neighbours joined, their scores averaged."""
    windows = (0.9, 0.1), (0.7, 0.3), (0.4, 0.6), (0.8, 0.2)
    said = answer("softmax", *windows)
    joined = [(0, 3, "dog", 0.8), (2, 4, "cat", 0.6), (3, 5, "dog", 0.8)]
    assert found(said, LABELS) == joined
    best = zip(SPANS, ("dog", "dog", "cat", "dog"), (0.9, 0.7, 0.6, 0.8))
    each = [(*span, label, score) for span, label, score in best]
    assert found(said, LABELS, join=False) == each


def test_a_threshold():
    """All labels of a window that are as likely."""
    said = answer("softmax", (0.9, 0.1), (0.7, 0.3))
    assert found(said, LABELS, threshold=0.8) == [(0, 2, "dog", 0.9)]
    both = found(said, LABELS, threshold=0.0, join=False)
    assert sorted(score for *_, score in both) == [0.1, 0.3, 0.7, 0.9]


def test_tags():
    """None or several at a time, from one half on."""
    said = answer("sigmoid", (0.9, 0.6), (0.1, 0.8), (0.2, 0.2), (0.3, 0.7))
    joined = [(0, 2, "dog", 0.9), (0, 3, "cat", 0.7), (3, 5, "cat", 0.7)]
    assert found(said, LABELS) == joined
    assert found(said, LABELS, threshold=0.95) == []


@pytest.fixture(scope="module")
def run(finished):
    """A finished ESC-50 run."""
    return finished("ESC50")


@pytest.fixture
def clips(tmp_path):
    """Two sounds of several windows, and one of less than one."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, seconds in (("a", 2.5), ("b", 0.4), ("c", 1.9)):
        noise = np.random.default_rng(len(name)).standard_normal(40000) / 9
        x = sound(30, 2.5, 16000, seed=1)[:40000] + noise * np.arange(40000)
        x = (x / np.abs(x).max())[: int(seconds * 16000)]
        soundfile.write(folder / f"{name}.wav", x, 16000)
    return sorted(map(str, folder.iterdir()))


def test_every_window(run, clips, tmp_path, capsys):
    """Its start, end, labels and scores, and its embedding."""
    out, vectors = tmp_path / "out.csv", tmp_path / "out.npz"
    argv = [str(run), *clips, f"--segments={out}", f"--embeddings={vectors}"]
    main([*argv, "--hop=0.5", "--threshold=0", "--no_join", "--device=cpu"])
    table, arrays = pandas.read_csv(out), np.load(vectors)
    classifier = AudioClassifier.from_run(run, run_opts={"device": "cpu"})
    labels = classifier.hparams.labels
    assert list(arrays["files"]) == clips
    starts = {0: [0, 0.5, 1.0, 1.5, 1.845], 1: [0], 2: [0, 0.5, 1.0, 1.245]}
    row = 0
    for number, file in enumerate(clips):
        wav, mine = read_audio(file), table[table["id"] == file]
        begins = sorted(mine["start"].unique())
        assert begins == pytest.approx(starts[number], abs=1e-5)
        for start in begins:
            window = wav[round(start * 16000) :][:10480]
            said = mine[mine["start"] == start].set_index("label")["score"]
            wanted = classifier.classify_batch(window)[0][0].tolist()
            assert said[labels].tolist() == pytest.approx(wanted, abs=2e-6)
            vector = torch.from_numpy(arrays["embeddings"][row])
            wanted = classifier.encode_batch(window)[0]
            torch.testing.assert_close(vector, wanted, rtol=0, atol=1e-4)
            assert arrays["file_index"][row] == number
            ends = mine[mine["start"] == start]["end"]
            assert arrays["start"][row] == pytest.approx(start, abs=1e-6)
            assert set(ends) == {round(arrays["end"][row], 6)}
            row += 1
    assert row == len(arrays["embeddings"]) == len(arrays["end"])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_embeddings_of_files(run, clips, tmp_path):
    """The mean over their windows; nothing is there of a job that failed."""
    vectors = tmp_path / "out.npz"
    argv = [str(run), f"--embeddings={vectors}", "--device=cpu"]
    with pytest.raises(InputError, match="missing.wav is missing"):
        main([*argv, clips[0], "missing.wav", "--strict"])
    assert [p.name for p in tmp_path.iterdir()] == ["clips"]
    main([*argv, *clips])
    arrays = np.load(vectors)
    assert set(arrays) == {"files", "embeddings"}
    classifier = AudioClassifier.from_run(run, run_opts={"device": "cpu"})
    for file, vector in zip(clips, arrays["embeddings"], strict=True):
        wanted = classifier.encode_batch(read_audio(file))[0]
        vector = torch.from_numpy(vector)
        torch.testing.assert_close(vector, wanted, rtol=0, atol=1e-4)


def rows_of(path):
    """A file of tabs."""
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def test_audacity_and_raven(run, clips, tmp_path, capsys):
    """The segments of the csv, in the columns that these programs read."""
    argv = [str(run), "--hop=0.3", "--device=cpu"]
    out, raven = tmp_path / "out.csv", tmp_path / "out.selections.txt"
    main([*argv, *clips, f"--segments={out}"])
    main([*argv, *clips, f"--segments={raven}"])
    wanted = pandas.read_csv(out)
    table = pandas.read_csv(raven, sep="\t")
    for ours, theirs in (
        ("start", "File Offset (s)"),
        ("label", "Label"),
        ("id", "Begin Path"),
    ):
        assert wanted[ours].tolist() == table[theirs].tolist()
    begins = {file: i for file, i in zip(clips, (0, 2.5, 2.9))}
    offset = wanted["id"].map(begins)
    for ours, theirs in (("start", "Begin"), ("end", "End")):
        shown = table[f"{theirs} Time (s)"].tolist()
        assert (wanted[ours] + offset).tolist() == pytest.approx(shown)
    assert table["Selection"].tolist() == [*range(1, len(wanted) + 1)]
    one = tmp_path / "one.txt"
    main([*argv, clips[0], f"--segments={one}"])
    folder = tmp_path / "labels"
    main([*argv, *clips, f"--segments={folder}/", "--format=audacity"])
    for file in clips:
        mine = wanted[wanted["id"] == file]
        path = folder / f"{file.rpartition('/')[2]}.txt"
        rows = [(float(a), float(b), c) for a, b, c in rows_of(path)]
        assert rows == [*zip(mine["start"], mine["end"], mine["label"])]
    assert one.read_text() == (folder / "a.wav.txt").read_text()
    with pytest.raises(
        InputError, match="one.txt: Audacity's labels are of on"
    ):
        main([*argv, *clips, f"--segments={one}"])
    assert {p.suffix for p in tmp_path.rglob("*")} >= {".txt", ".csv"}
    assert not [*tmp_path.rglob("*.part")]
    capsys.readouterr()


def test_segments_go_on(run, clips, tmp_path, capsys):
    """By the csv of segments alone, or by that of files, wherever it is cut."""
    out, ledger = tmp_path / "out.csv", tmp_path / "files.csv"
    argv = [str(run), *clips, "--hop=0.3", "--no_join", "--device=cpu"]
    argv += [f"--segments={out}", "--resume"]
    main(argv)
    whole, wanted = out.read_bytes(), pandas.read_csv(out)
    for cut in (0, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        out.write_bytes(whole[:cut])
        main(argv)
        pandas.testing.assert_frame_equal(pandas.read_csv(out), wanted)
    for kept in (0, 1, 2):
        ledger.unlink(missing_ok=True)
        main([str(run), *clips[:kept], f"--csv={ledger}"] if kept else argv)
        main([*argv, f"--csv={ledger}"])
        pandas.testing.assert_frame_equal(pandas.read_csv(out), wanted)
        assert pandas.read_csv(ledger)["id"].tolist() == clips
    capsys.readouterr()
