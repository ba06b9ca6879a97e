"""Shards and streams: what is packed is read, by whoever shares the work."""

import pickle
import tarfile
from collections import Counter

import numpy as np
import pytest
import torch
from speechbrain_petl import InputError
from speechbrain_petl.data.clips import NO_LABEL, ClipDataset, write_clips
from speechbrain_petl.data.shards import read_index, write_index, write_shard
from speechbrain_petl.data.stream import ShardPass, TrainStream
from tiny_shards import (
    CLASSES,
    CLIPS,
    SETTINGS,
    SHARDS,
    audio,
    labels,
    make_shards,
)
from torch.utils.data import DataLoader


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of shards with their index."""
    return make_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture
def shards(folder):
    """Path -> number of clips."""
    return read_index(str(folder))[0]


def share(stream, rank, processes):
    """The stream of one of several processes."""
    stream.rank, stream.processes = rank, processes
    return stream


def ids(stream, workers=0):
    """The ids of each batch."""
    loader = DataLoader(stream, batch_size=None, num_workers=workers)
    return [batch.id for batch in loader]


def test_index(folder):
    """It counts clips and labels."""
    shards, counts = read_index(str(folder))
    assert list(shards.values()) == [CLIPS] * SHARDS
    every = Counter(x for n in range(CLIPS * SHARDS) for x in labels(n))
    assert counts == every


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_pass_has_every_clip_once(shards, processes, workers):
    """However the work is shared, and no process has two more than another."""
    found, sizes = [], []
    for rank in range(processes):
        stream = share(ShardPass(shards, **SETTINGS), rank, processes)
        mine = [i for batch in ids(stream, workers) for i in batch]
        found, sizes = found + mine, [*sizes, len(mine)]
    assert sorted(found) == [f"{n:03d}" for n in range(CLIPS * SHARDS)]
    assert max(sizes) - min(sizes) <= 1


def test_what_is_read_is_what_was_packed(shards):
    """Sound and target of each clip."""
    for batch in ShardPass(shards, **SETTINGS):
        for i, key in enumerate(batch.id):
            level = batch.sig.data[i].mean().item()
            assert level == pytest.approx((int(key) + 1) / 100, abs=1e-4)
            mine = [
                CLASSES[c] for c in batch.soft_targets.data[i].nonzero()[:, 0]
            ]
            assert mine == labels(int(key))


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_epoch_goes_on(shards, workers):
    """With the same batches, whatever batch it was stopped at."""
    stream = TrainStream(shards, buffer=6, seed=3, **SETTINGS)
    stream.start(epoch=2)
    whole = ids(stream, workers)
    assert len(whole) == len(stream) == 9
    for seen in (1, 4):
        stream.start(epoch=2, batch=seen)
        assert ids(stream, workers) == whole[seen:]
    stream.start(epoch=3)
    assert ids(stream, workers) != whole


def test_processes_read_different_clips(shards):
    """Whole shards, or single clips if there are too few of them."""
    for processes in (2, 7):
        seen = []
        for rank in range(processes):
            stream = TrainStream(shards, buffer=1, **SETTINGS)
            share(stream, rank, processes).batches = 1
            seen += ids(stream)[0]
        # a reader of fewer than a batch's clips starts again
        assert len(set(seen)) > len(seen) * 0.6
    assert len(set(seen[:8])) == 8


def test_classes_are_balanced(folder, shards):
    """A stream draws clips as often as the weights of ClipDataset say."""
    counts = read_index(str(folder))[1]
    stream = TrainStream(
        shards, counts=counts, buffer=30, clips_per_epoch=8000, **SETTINGS
    )
    drawn = Counter(i for batch in ids(stream) for i in batch)
    n = CLIPS * SHARDS
    table = np.full((n, 2), NO_LABEL)
    for i in range(n):
        for place, label in enumerate(labels(i)):
            table[i, place] = CLASSES.index(label)
    path = str(folder / "same.npy")
    write_clips(path, np.array([b"x"] * n), table)
    weights = ClipDataset(path, len(CLASSES), 160).weights()
    share_of = np.array([drawn[f"{i:03d}"] for i in range(n)]) / 8000
    np.testing.assert_allclose(share_of, weights / weights.sum(), atol=0.01)


def refused(action, *words):
    with pytest.raises(InputError) as caught:
        action()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_errors_name_the_shard(tmp_path):
    """Truncated, incomplete, without labels, of another label set."""
    path = str(tmp_path / "0.tar")
    write_shard(path, [("k", ".flac", audio(1), ["z"])])
    stream = ShardPass({path: 1}, **SETTINGS)
    refused(lambda: list(stream), path, "clip k", "'z'")
    write_shard(path, [("k", ".flac", b"no sound", ["a"])])
    refused(lambda: list(stream), path, "k is no audio")
    stream.shards = {path: 2}
    write_shard(path, [("k", ".flac", audio(1), ["a"])])
    refused(lambda: list(stream), path, "has 1 clips", "says 2")
    whole = open(path, "rb").read()
    open(path, "wb").write(whole[:1600])
    refused(lambda: list(stream), path, "cannot be read", "again")
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("k.flac"))
    refused(lambda: list(stream), path, "clip k", "labels")
    refused(lambda: write_index(str(tmp_path / "..")), "no .tar")
    refused(lambda: read_index(str(tmp_path)), "index.json")


def test_more_workers_than_clips(shards):
    """Said at once, instead of waiting for ever."""
    stream = share(TrainStream(shards, buffer=1, **SETTINGS), 0, 99)
    refused(lambda: next(iter(stream)), "35 clips", "99")


def test_table_is_mapped_again_in_a_worker(tmp_path):
    """A spawned worker does not get a copy of two million rows."""
    path = str(tmp_path / "t.npy")
    write_clips(path, np.array([b"x"] * 5000), np.zeros((5000, 3)))
    text = pickle.dumps(ClipDataset(path, 1, 160))
    assert len(text) < 500 and len(pickle.loads(text)) == 5000
    assert torch.equal(
        torch.tensor(ClipDataset(path, 1, 160).weights()[:2]),
        torch.tensor([3 / 15000] * 2, dtype=torch.float64),
    )
