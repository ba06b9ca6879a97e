"""The file of a cache: several writers, kill -9, full disks, damaged files."""

import multiprocessing
import os
import pickle
import resource
import signal
import time

import numpy as np
import pytest
import torch
from processes import in_processes
from speechbrain_petl.errors import InputError
from speechbrain_petl.training.cache.clip_store import ClipStore, _create
from speechbrain_petl.training.cache.stored import StoredClips
from torch.utils.data import DataLoader

from speechbrain.dataio.dataset import DynamicItemDataset

KEYS = [f"clip{number}" for number in range(6)]
FORK = multiprocessing.get_context("fork")


def values_of(keys):
    """What the tests compute of clips: their number, (clip, 2, 3)."""
    numbers = [float(key.removeprefix("clip")) for key in keys]
    return torch.tensor(numbers).view(-1, 1, 1).expand(-1, 2, 3)


def store_in(folder):
    """A store of the six clips."""
    return ClipStore(str(folder), KEYS, "0123")


def pairs(log=None, pause=0.0, share=slice(None)):
    """Two clips at a time, noted in a file, after a pause."""
    keys = KEYS[share]
    for start in range(0, len(keys), 2):
        part = keys[start : start + 2]
        if log:
            with open(log, "a", encoding="utf-8") as file:
                file.write("".join(f"{key}\n" for key in part))
        yield part, values_of(part)
        time.sleep(pause)


def check(store):
    """All clips have their own numbers."""
    for key in KEYS:
        assert torch.equal(store[key], values_of([key])[0])


def refuse():
    """A computation that nobody should ask for."""
    raise AssertionError("computed again")


def test_written_once(tmp_path):
    """And read by whoever asks for the same checksum."""
    store = store_in(tmp_path / "new" / "folder")
    store.fill(pairs)
    check(store)
    again = store_in(tmp_path / "new" / "folder")
    again.fill(refuse)
    check(again)
    other = ClipStore(str(tmp_path / "new" / "folder"), KEYS, "4567")
    with pytest.raises(AssertionError, match="computed again"):
        other.fill(refuse)


def damaged(path, how):
    """Spoil a file."""
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[:-7])
    elif how == "no header":
        path.write_bytes(b"garbage" + data[7:])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "another payload":
        path.write_bytes(data[:-4] + bytes(4))
    elif how == "no checksum":
        path.with_suffix(".sha256").unlink()
    elif how == "of other clips":
        np.save(path, np.zeros((5, 2, 3), np.float32))
    else:
        np.save(path, np.zeros((6, 2, 3), np.float64))


@pytest.mark.parametrize(
    "how",
    [
        *("truncated", "no header", "empty", "of other clips", "doubles"),
        *("another payload", "no checksum"),
    ],
)
def test_damaged_file_is_computed_anew(how, tmp_path):
    store = store_in(tmp_path)
    store.fill(pairs)
    damaged(store.path, how)
    again = store_in(tmp_path)
    again.fill(pairs)
    check(again)


def test_two_runs_at_once(tmp_path):
    """One computes, the other waits for it; neither sees half a file."""
    log = tmp_path / "log"

    def start():
        store = store_in(tmp_path)
        store.fill(lambda: pairs(log, pause=0.1))
        check(store)

    runs = [FORK.Process(target=start) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert [run.exitcode for run in runs] == [0, 0]
    assert sorted(log.read_text().split()) == KEYS  # each clip once


def test_killed_while_writing(tmp_path):
    """Nothing has the file's name, and the next run writes it."""
    log = tmp_path / "log"
    run = FORK.Process(
        target=lambda: store_in(tmp_path).fill(lambda: pairs(log, pause=5))
    )
    run.start()
    deadline = time.time() + 20
    while not list(tmp_path.glob("*.part")) and time.time() < deadline:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    store = store_in(tmp_path)
    assert list(tmp_path.glob("*.part")) and not store.path.exists()
    store.fill(pairs)
    check(store)
    assert not list(tmp_path.glob("*.part"))


def test_failure_leaves_nothing(tmp_path):
    """A clip that cannot be read, or Ctrl-C."""

    def broken():
        yield next(pairs())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store_in(tmp_path).fill(broken)
    assert not list(tmp_path.glob("*.npy*[!k]"))
    store = store_in(tmp_path)
    store.fill(pairs)
    check(store)


def test_full_disk(tmp_path):
    """Is one line before any long work, not a bus error in the midst."""

    def start(queue):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # bytes
        try:
            store_in(tmp_path).fill(pairs)
        except InputError as error:
            queue.put(str(error))

    queue = FORK.Queue()
    run = FORK.Process(target=start, args=(queue,))
    run.start()
    message = queue.get(timeout=30)
    run.join()
    assert run.exitcode == 0
    assert str(tmp_path) in message and "has no room for 0.00 GB" in message
    assert not list(tmp_path.glob("*.part"))


def test_space_is_set_aside(tmp_path):
    """Not as a hole, which a full disk would notice too late."""
    _create(tmp_path / "a.npy", (64, 64, 64), "<f4")
    assert os.stat(tmp_path / "a.npy").st_blocks * 512 >= 4 * 64**3
    assert np.load(tmp_path / "a.npy", mmap_mode="r").shape == (64, 64, 64)


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file cannot be written to"):
        store_in(tmp_path / "file").fill(refuse)


def test_workers(tmp_path):
    """Each loader worker maps the file; the other items stay."""
    entries = {key: {"wav": f"{key}.wav", "target": 7} for key in KEYS}
    keys = {"id": "id", "sig": "sig", "target": "target", "file": "wav"}
    data = DynamicItemDataset(entries, output_keys=keys)
    data.add_dynamic_item(lambda wav: refuse(), takes="wav", provides="sig")
    store = store_in(tmp_path)
    store.fill(pairs)
    check(store)
    clips = StoredClips(data, store)
    assert len(clips) == len(KEYS)
    loader = DataLoader(clips, batch_size=None, num_workers=2)
    for key, item in zip(KEYS, loader):
        assert torch.equal(item["sig"], values_of([key])[0])
        assert item["id"] == key and item["target"] == 7
        assert item["file"] == f"{key}.wav"
    # nor does a worker that is not a fork get a copy of the file
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    check(pickle.loads(sent))


def share(folder, rank):
    """A process's clips: of three processes, the last has none."""
    mine = slice(4 * rank, 4 * rank + 4)
    store = store_in(folder)
    store.fill(lambda: pairs(share=mine))
    check(store)
    store_in(folder).fill(refuse)


def test_processes_share_the_work(tmp_path):
    in_processes(share, tmp_path, count=3)
