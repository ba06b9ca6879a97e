"""Speech Commands: official lists, 35 and 12 classes, download, training."""

import hashlib
import shutil
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import soundfile
from layouts_google_speech_commands import (
    KEYWORDS,
    SPEAKERS,
    WORDS,
    make_speech_commands,
    make_test_set,
)
from speechbrain_petl import InputError
from tiny_runs import load_prepare, methods_of, read_manifests, train

NAME = "GoogleSpeechCommands"
COUNTS = {"train": 70, "valid": 35, "test": 35}
TWELVE = {*KEYWORDS, "_unknown_", "_silence_"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The generated data set, without the 12-class test set."""
    return make_speech_commands(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def test_set(tmp_path_factory):
    """The generated 12-class test set."""
    return make_test_set(tmp_path_factory.mktemp("test_set"))


@pytest.fixture
def prepare():
    """The function of prepare.py."""
    return load_prepare(NAME).prepare_google_speech_commands


def test_lists(data, prepare, tmp_path, caplog):
    """What is in no list is for training; no clip and no speaker is shared."""
    splits = read_manifests(prepare(data, tmp_path))
    assert {s: len(x) for s, x in splits.items()} == COUNTS
    for split, items in splits.items():
        assert {e["speaker"] for e in items.values()} == set(SPEAKERS[split])
        assert {e["label"] for e in items.values()} == set(WORDS)
        assert list(items) == sorted(items)
    wavs = [e["wav"] for items in splits.values() for e in items.values()]
    assert len(set(wavs)) == len(wavs)
    assert "official are {'train': 84843" in caplog.text
    clips = load_prepare(NAME).CLIPS
    assert sum(clips[35].values()) == 105829
    words = {"train": 30769, "valid": 3703, "test": 4074}  # of the ten
    for split, count in words.items():
        assert clips[12][split] == count + 2 * -(-count // 10)


@pytest.mark.parametrize("task", [35, 12])
def test_deterministic_and_idempotent(data, prepare, task, tmp_path):
    """Another run, and one elsewhere, writes the same."""
    silence, texts = tmp_path / "silence", []
    for save in ("a", "a", "b"):
        if save == "b":
            shutil.rmtree(silence, ignore_errors=True)
        places = str(data.parent), str(tmp_path / save)
        paths = prepare(*places, task, None, str(silence)).values()
        clips = sorted(silence.glob("*"))
        texts.append([Path(p).read_bytes() for p in [*paths, *clips]])
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) == (3 + 4 if task == 12 else 3)


def test_twelve_classes(data, test_set, prepare, tmp_path, caplog):
    """A tenth of unknown and of silence; the official test set."""
    splits = read_manifests(prepare(data, tmp_path, 12, test_set))
    counts = {s: len(items) for s, items in splits.items()}
    assert counts == {"train": 24, "valid": 12, "test": 12}
    for items in splits.values():
        assert {e["label"] for e in items.values()} == TWELVE
    wavs = [Path(e["wav"]) for e in splits["test"].values()]
    assert all(test_set in wav.parents for wav in wavs)
    assert "is not given" not in caplog.text
    unknown = [e for e in splits["train"].values() if e["label"] == "_unknown_"]
    assert all(Path(e["wav"]).parent.name not in KEYWORDS for e in unknown)


def test_twelve_classes_without_the_test_set(data, prepare, tmp_path, caplog):
    """The test clips are drawn from the testing list, and that is told."""
    splits = read_manifests(prepare(data, tmp_path, 12))
    assert len(splits["test"]) == 12
    assert "speech_commands_test_set_v0.02 is not given" in caplog.text
    speakers = {e.get("speaker") for e in splits["test"].values()}
    assert speakers == {*SPEAKERS["test"], None}


def test_silence(data, prepare, tmp_path):
    """Clips of a second, cut from parts of the noises that no split shares."""
    splits = read_manifests(prepare(data, tmp_path, 12))
    silence = [
        entry
        for items in splits.values()
        for entry in items.values()
        if entry["label"] == "_silence_"
    ]
    assert len(silence) == 4
    for entry in silence:
        info = soundfile.info(entry["wav"])
        assert (info.frames, info.samplerate, info.channels) == (
            16000,
            16000,
            1,
        )
    noises = sys.modules["twelve"]._noises
    of = {split: noises(str(data), split) for split in splits}
    for train_, valid, test in zip(*of.values()):
        second = 16000
        assert train_[1] == 0 and train_[2] + second <= valid[1]
        assert valid[2] + second <= test[1]
        assert test[2] + second <= soundfile.info(test[0]).frames


@pytest.mark.parametrize(
    "name, old, new, message",
    [
        ("testing_list.txt", "bed/bb", "bad/bb", "line 2: 'bad/bb.* 35 words"),
        (
            "testing_list.txt",
            "_nohash_0",
            "",
            "line 1: 'backward/bb05582b.wav'",
        ),
        ("testing_list.txt", "bed/bb05", "bed/bb06", "line 2: the audio file"),
        ("testing_list.txt", "bed/", "backward/", "line 2: .* listed twice"),
        (
            "validation_list.txt",
            "a69b9b3e",
            "bb05582b",
            "backward/bb.* in both",
        ),
        ("validation_list.txt", "a69b9b3e", "00176480", "speaker .* in train"),
    ],
)
def test_wrong_lists(prepare, name, old, new, message, tmp_path):
    """The message names the line, the value and what is wrong with it."""
    root = make_speech_commands(tmp_path)
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        prepare(root, tmp_path / "save")


def test_wrong_folder(data, prepare, tmp_path):
    """A task or a folder that there is not, or an older version."""
    with pytest.raises(InputError, match="task=10 is not one of 35, 12"):
        prepare(data, tmp_path, 10)
    with pytest.raises(InputError, match="nowhere is no folder.*--download"):
        prepare("/nowhere", tmp_path)
    with pytest.raises(InputError, match="holds no testing_list.*it has: 001"):
        prepare(str(data / "bed"), tmp_path)
    with pytest.raises(InputError, match="holds no _unknown_"):
        prepare(data, tmp_path, 12, str(data))
    root = make_speech_commands(tmp_path)
    shutil.move(root / "visual", tmp_path)
    with pytest.raises(InputError, match="no folder visual: v0.02 has 35"):
        prepare(root, tmp_path)
    shutil.move(tmp_path / "visual", root)
    shutil.copy(root / "bed" / "bb05582b_nohash_0.wav", root / "bed" / "a.wav")
    with pytest.raises(InputError, match="a.wav is not named <speaker>_nohash"):
        prepare(root, tmp_path)
    (root / "testing_list.txt").unlink()
    with pytest.raises(InputError, match="testing_list.txt is missing: unpack"):
        prepare(root, tmp_path)


def test_missing_audio(prepare, tmp_path):
    """A listed clip, a broken clip, the noises, a class of the test set."""
    name = "yes/bb05582b_nohash_0.wav"
    root = make_speech_commands(tmp_path, missing=name)
    with pytest.raises(InputError, match=f"line 34: .*{name} is missing"):
        prepare(root, tmp_path / "save")
    (root / name).write_bytes(b"RIFF")
    with pytest.raises(InputError, match=f"{name} is no audio file"):
        prepare(root, tmp_path / "save")
    shutil.rmtree(root / "_background_noise_")
    with pytest.raises(InputError, match="has no noises to cut _silence_"):
        prepare(root, tmp_path / "save", 12)
    test_set = make_test_set(tmp_path / "test")
    shutil.rmtree(test_set / "stop")
    twelve = sys.modules["twelve"]
    with pytest.raises(InputError, match="stop has no clips"):
        twelve._read_test(str(test_set))


@pytest.fixture
def served(tmp_path):
    """A folder, and its address on a web server of this machine."""
    web = tmp_path / "web"
    web.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(web))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield web, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_download(served, monkeypatch, tmp_path):
    """Both archives are fetched, checked and unpacked, once."""
    (web, url), new = served, tmp_path / "new" / "data"
    sums = {}
    for root in (make_speech_commands(web), make_test_set(web)):
        made = Path(shutil.make_archive(str(root), "gztar", root))
        sums[root.name] = hashlib.sha256(made.read_bytes()).hexdigest()
        shutil.rmtree(root)
    module = load_prepare(NAME)
    arguments = dict(task=12, download=True, url=url)
    fetch = module.prepare_google_speech_commands
    with pytest.raises(InputError, match="has the sha256 sum"):
        fetch(str(new), tmp_path / "save", **arguments)
    monkeypatch.setattr(module, "SHA256", sums)
    for _ in range(2):
        splits = read_manifests(fetch(str(new), tmp_path / "save", **arguments))
        assert {s: len(x) for s, x in splits.items()}["test"] == 12
        for archive in web.iterdir():
            archive.unlink()
    with pytest.raises(InputError, match="could not be fetched"):
        fetch(str(tmp_path / "other"), tmp_path / "save", **arguments)


@pytest.mark.parametrize("task", [35, 12])
def test_train(data, tmp_path, task):
    """One method from files to result, on both tasks."""
    more = ["--epochs=1", "--debug", f"--task={task}"]
    result = train(NAME, data, tmp_path, *more)
    assert result["dataset"] == f"Speech Commands v2-{task}"
    labels = (tmp_path / "save" / "labels.txt").read_text()
    assert labels.count("=>") == task + 1


def test_few_shots(data, tmp_path):
    """Fewer clips to train on."""
    train(NAME, data, tmp_path, "--epochs=1", "--debug", "--shots=1")
    with pytest.raises(InputError, match="shots=0: give a whole number"):
        train(NAME, data, tmp_path / "more", "--shots=0")


@pytest.mark.slow
@pytest.mark.parametrize("method", methods_of(NAME))
def test_every_method(data, tmp_path, method):
    """Each method file trains."""
    result = train(NAME, data, tmp_path, "--epochs=1", "--debug", method=method)
    assert result["method"] == method


@pytest.mark.slow
def test_overfits(data, tmp_path):
    """The training clips can be learned by heart."""
    more = ["--epochs=100", "--lr=0.003", "--task=12"]
    result = train(NAME, data, tmp_path, *more, method="full")
    assert result["history"][-1]["train"]["accuracy"] > 0.9


if __name__ == "__main__":
    make_speech_commands(sys.argv[1])
    make_test_set(sys.argv[1])
