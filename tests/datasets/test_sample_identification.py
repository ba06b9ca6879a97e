"""Sample identification: held-out songs, errors, training on a tiny layout."""

import sys
from pathlib import Path

import pytest
from layouts import truncated_wav
from layouts_brazilian_accents import write_csv
from layouts_sample_identification import (
    LONG,
    make_sample_identification,
    pairs_of,
)
from speechbrain_petl import InputError
from tiny_runs import load_prepare, methods_of, read_manifests, train

NAME = "SampleIdentification"
WINDOW = 0.5  # seconds
SONGS, SAMPLES = 25, 7


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set."""
    return make_sample_identification(tmp_path_factory.mktemp("data"))


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_sample_identification


def songs_of(entries):
    """Song -> its samples."""
    return {entry["file"]: entry["labels"] for entry in entries.values()}


@pytest.mark.parametrize("seed", range(5))
def test_test_songs_are_unseen(data, prepare, seed, tmp_path):
    """Every sample is trained, and tested if two songs use it."""
    splits = read_manifests(prepare(data, tmp_path, WINDOW, split_seed=seed))
    songs = {split: songs_of(entries) for split, entries in splits.items()}
    assert len(set().union(*songs.values())) == SONGS
    assert sum(map(len, songs.values())) == SONGS
    samples = {s: set(sum(x.values(), [])) for s, x in songs.items()}
    assert len(samples["train"]) == SAMPLES
    assert samples["test"] == samples["train"] - {"used_once"}
    assert samples["valid"] == samples["train"] - {"used_once"}


def test_the_seed_chooses(data, prepare, tmp_path):
    """One seed, one choice; another seed, another."""
    tests = []
    for seed in (1, 2, 3, 1):
        paths = prepare(data, tmp_path, WINDOW, split_seed=seed)
        tests.append(frozenset(songs_of(read_manifests(paths)["test"])))
    assert tests[0] == tests[3] and len(set(tests)) > 1


def test_the_last_training_song_is_kept(prepare, tmp_path):
    """Even if it shares another sample with many."""
    pairs = [p for p in pairs_of(2, 3) if p["sample"] != "used_once"]
    pairs += [{"song": p["song"], "sample": "also"} for p in pairs[:1]]
    data = make_sample_identification(tmp_path, pairs)
    for seed in range(5):
        paths = prepare(data, tmp_path / "save", WINDOW, split_seed=seed)
        train_songs = songs_of(read_manifests(paths)["train"])
        assert pairs[0]["song"] in train_songs


def test_windows_overlap(data, prepare, tmp_path):
    """A song is cut; one that uses two samples has both labels."""
    splits = read_manifests(prepare(data, tmp_path, WINDOW, overlap=0.5))
    entries = [e for x in splits.values() for e in x.values()]
    song = pairs_of()[0]["song"]
    cut = [entry for entry in entries if entry["file"] == song]
    assert LONG[0] == 2.4 and len(cut) == 9
    assert [e["start"] for e in cut[:3]] == [0.0, 0.25, 0.5]
    assert cut[-1]["stop"] == 2.4
    assert {tuple(e["labels"]) for e in cut} == {("break0", "break1")}


def test_closed_set(data, prepare, tmp_path):
    """The original protocol: tested on the songs that it trained on."""
    splits = read_manifests(prepare(data, tmp_path, WINDOW, closed_set=True))
    assert list(splits) == ["train", "test"]
    assert splits["train"] == splits["test"]
    assert len(songs_of(splits["test"])) == SONGS


def test_deterministic_and_idempotent(data, prepare, tmp_path):
    """Another run changes no byte, nor does the order of the rows."""
    texts, pairs = [], pairs_of()
    for order in (pairs, pairs[::-1], pairs):
        write_csv(data / "pairs.csv", order)
        paths = prepare(str(data), str(tmp_path), WINDOW).values()
        texts.append([Path(path).read_bytes() for path in paths])
    assert texts[0] == texts[1] == texts[2]


def test_tells_what_cannot_be_tested(data, prepare, tmp_path, caplog):
    """A sample with one song trains only; with two there is no validation."""
    prepare(data, tmp_path, WINDOW)
    assert "1 of 7 samples have too few songs to hold one out" in caplog.text
    caplog.clear()
    pairs = [p for p in pairs_of(3, 2) if p["song"] != "lonely.wav"][:6]
    data = make_sample_identification(tmp_path, pairs)
    assert list(prepare(data, tmp_path / "save", WINDOW)) == ["train", "test"]
    assert "3 of 3 samples have too few songs" in caplog.text


@pytest.mark.parametrize(
    "change, message",
    [
        ({"song": "no.wav"}, "line 4: the audio file .*no.wav is missing"),
        ({"sample": ""}, "line 4: sample is empty"),
        (pairs_of()[0], "line 4: .*0.wav with break0 is in .*line 2 already"),
    ],
)
def test_wrong_rows(prepare, change, message, tmp_path):
    """The message names the line, the value and what is wrong with it."""
    pairs = pairs_of()
    data = make_sample_identification(tmp_path, pairs)
    pairs[2] = {**pairs[2], **change}
    write_csv(data / "pairs.csv", pairs)
    with pytest.raises(InputError, match=message):
        prepare(data, tmp_path / "save", WINDOW)


def test_wrong_arguments(data, prepare, tmp_path):
    """A folder, a csv file or a ratio that there is not."""
    with pytest.raises(InputError, match="nowhere is no folder"):
        prepare("/nowhere", tmp_path, WINDOW)
    with pytest.raises(InputError, match=r"no x.csv \(it has: pairs.csv, so"):
        prepare(data, tmp_path, WINDOW, pairs="x.csv")
    with pytest.raises(InputError, match="line 2: .*tracks/art.* is missing"):
        prepare(data, tmp_path, WINDOW, songs="tracks")
    for ratio in (0.95, 0, -0.1):
        with pytest.raises(InputError, match=f"test_ratio={ratio} must be abo"):
            prepare(data, tmp_path, WINDOW, test_ratio=ratio)


def test_nothing_to_hold_out(prepare, tmp_path):
    """One song a sample: only the closed set can be tested."""
    data = make_sample_identification(tmp_path, pairs_of(songs=1)[:6])
    with pytest.raises(InputError, match="no song can be held out.*closed_set"):
        prepare(data, tmp_path / "save", WINDOW)
    prepare(data, tmp_path / "save", WINDOW, closed_set=True)
    write_csv(data / "pairs.csv", pairs_of(songs=1)[:1])
    with pytest.raises(InputError, match=r"one sample only \(break0\)"):
        prepare(data, tmp_path / "save", WINDOW)


def test_missing_and_broken_audio(prepare, tmp_path):
    """Both are found before training starts."""
    song = "artist0/break2_0.wav"
    data = make_sample_identification(tmp_path, missing=song)
    with pytest.raises(InputError, match="line 10: .*break2_0.wav is missing"):
        prepare(data, tmp_path / "save", WINDOW)
    (data / "songs" / song).write_bytes(truncated_wav())
    with pytest.raises(InputError, match="break2_0.wav is truncated"):
        prepare(data, tmp_path / "save", WINDOW)


def test_train(data, tmp_path):
    """One method from files to result; the result names the protocol."""
    more = ["--epochs=1", "--debug"]
    result = train(NAME, data, tmp_path / "open", *more)
    assert set(result["metrics"]) == {"loss", "top-1", "top-5"}
    assert result["protocol"] == "held-out songs"
    assert result["select"] == "top-1"
    more.append("--closed_set=True")
    result = train(NAME, data, tmp_path / "closed", *more)
    assert result["protocol"] == "closed-set" and result["select"] is None
    with pytest.raises(InputError, match="shots=2 leaves songs untrained"):
        train(NAME, data, tmp_path / "shots", "--shots=2", *more)


@pytest.mark.slow
@pytest.mark.parametrize("method", methods_of(NAME))
def test_every_method(data, tmp_path, method):
    """Each method file trains."""
    result = train(NAME, data, tmp_path, "--epochs=1", "--debug", method=method)
    assert result["method"] == method


@pytest.mark.slow
def test_overfits(data, tmp_path):
    """The songs can be learned by heart."""
    more = ["--epochs=60", "--lr=0.003", "--closed_set=True"]
    more.append("--augment={steps: []}")
    result = train(NAME, data, tmp_path, *more, method="full")
    assert result["metrics"]["top-1"] > 0.95


if __name__ == "__main__":
    make_sample_identification(sys.argv[1])
