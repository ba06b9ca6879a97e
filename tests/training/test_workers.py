"""Loader workers that are spawned, as on macOS and Windows: once, and light."""

import io
import os
import pickle
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from method_files import ROOT
from recipe_brains import ROWS
from speechbrain_petl import InputError
from speechbrain_petl.data.shards import read_index
from speechbrain_petl.data.stream import ShardPass, TrainStream
from speechbrain_petl.training import loaders
from speechbrain_petl.training.loaders import loader_arguments
from tiny_shards import SETTINGS, make_shards
from torch.utils.data import DataLoader
from toy import ToyBrain, toy_brain, train, vectors

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch

SPAWN = "spawn"
HEAVY = {"matplotlib", "pandas", "peft", "sklearn", "timm", "torchmetrics"}
HEAVY |= {"torchvision", "transformers"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Path -> number of clips."""
    return read_index(str(make_shards(tmp_path_factory.mktemp("shards"))))[0]


def ids(loader):
    """The ids of each batch."""
    return [batch.id for batch in loader]


def fresh(stream, workers):
    """The same by workers that start anew."""
    return ids(DataLoader(stream, batch_size=None, num_workers=workers))


@pytest.mark.parametrize(
    "context", ["fork", pytest.param(SPAWN, marks=pytest.mark.slow)]
)
def test_a_worker_that_stays_learns_where_the_epoch_is(context, shards):
    """The next, one that is broken off, and one that goes on in its midst."""
    stream = TrainStream(shards, buffer=6, seed=3, **SETTINGS)
    loader = DataLoader(
        stream,
        batch_size=None,
        num_workers=2,
        persistent_workers=True,
        multiprocessing_context=context,
    )
    seen = []
    for epoch, batch in ((1, 0), (2, 0), (5, 0), (2, 3), (2, 4), (3, 0)):
        stream.start(epoch, batch)
        if epoch == 5:  # as --debug does
            assert next(iter(loader)).id == fresh(stream, 2)[0]
            continue
        seen.append(ids(loader))
        assert seen[-1] == fresh(stream, 2)
    assert seen[0] != seen[1] != seen[4]
    assert seen[2] == seen[1][3:] and seen[3] == seen[1][4:]


class Workers(ToyBrain):
    """Knows which processes have loaded the clips of training."""

    def fit_batch(self, batch):
        """Note the processes."""
        self.pids = {*getattr(self, "pids", ()), *batch.pid.tolist()}
        return super().fit_batch(batch)


def pid_of(x):
    """Of the process that loads a clip."""
    return os.getpid()


def test_workers_start_once(tmp_path, monkeypatch):
    """Two for training, in all epochs."""
    import toy

    def with_pid(*args):
        """Clips that say who loaded them."""
        data = vectors(*args)
        data.add_dynamic_item(pid_of, takes="x", provides="pid")
        data.set_output_keys(["id", "x", "target", "pid"])
        return data

    monkeypatch.setattr(toy, "vectors", with_pid)
    brain = toy_brain(tmp_path, brain=Workers, epochs=3)
    train(brain, num_workers=2)
    assert len(brain.pids) == 2 and os.getpid() not in brain.pids


def test_the_same_steps_as_without_workers(tmp_path):
    results = [
        train(toy_brain(tmp_path / str(n), epochs=3), num_workers=n)
        for n in (0, 2)
    ]
    for key in ("history", "metrics"):
        assert results[0][key] == results[1][key]


@pytest.mark.parametrize("stage", sb.Stage)
def test_which_stay(stage, tmp_path):
    """Those of a stage that comes again; unless the yaml says otherwise."""
    brain, data = toy_brain(tmp_path), vectors(4)
    made = loader_arguments(brain, data, stage, num_workers=2)
    assert made.get("persistent_workers", False) == (stage != sb.Stage.TEST)
    made = loader_arguments(brain, data, stage, num_workers=0)
    assert "persistent_workers" not in made  # DataLoader refuses it
    chosen = {"num_workers": 2, "persistent_workers": False}
    made = loader_arguments(brain, data, stage, **chosen)
    assert made["persistent_workers"] is False


@pytest.mark.parametrize(
    "device, cores, processes, workers",
    [
        ("cpu", 16, 1, 0),
        ("cuda", 2, 1, 1),
        ("cuda", 16, 1, 8),
        ("cuda", 16, 4, 3),
        ("cuda", 1, 2, 1),
    ],
)
def test_workers_for_the_machine(
    device, cores, processes, workers, tmp_path, monkeypatch
):
    """And memory that a GPU copies from by itself; the yaml may say otherwise."""
    monkeypatch.setattr(loaders, "usable_cores", lambda: cores)
    brain = toy_brain(tmp_path)
    brain.device_type, brain.processes = device, processes
    for given in ({}, {"num_workers": None}):
        made = loader_arguments(brain, vectors(4), sb.Stage.TRAIN, **given)
        assert made["num_workers"] == workers
        assert made.get("pin_memory", False) == (device == "cuda")
    chosen = {"num_workers": 0, "pin_memory": False}
    made = loader_arguments(brain, vectors(4), sb.Stage.TRAIN, **chosen)
    assert made["num_workers"] == made["pin_memory"] == 0


@pytest.mark.parametrize("workers", [-1, 1.5, "many", True, [1]])
def test_workers_are_a_number(workers, tmp_path):
    with pytest.raises(InputError, match="loader: num_workers=.*: give 0, 1"):
        loader_arguments(
            toy_brain(tmp_path), vectors(4), sb.Stage.TRAIN, num_workers=workers
        )


@pytest.mark.parametrize("stage", [sb.Stage.VALID, sb.Stage.TEST])
def test_longest_clips_are_evaluated_first(stage, tmp_path):
    """Every one once, in one process and in two; as they are where none says."""
    brain, data = toy_brain(tmp_path), vectors(5)
    made = loader_arguments(brain, data, stage)
    assert made["sampler"] == [0, 1, 2, 3, 4]
    for clip, seconds in zip(data.data.values(), [1.0, 3, "2.5", 3, 0.5]):
        clip["duration"] = seconds
    made = loader_arguments(brain, data, stage)
    assert made["sampler"] == [1, 3, 2, 0, 4]
    brain.distributed_launch, brain.processes, brain.rank = True, 2, 1
    made = loader_arguments(brain, data, stage)
    assert made["sampler"] == [3, 0]


def pickled(value):
    """Sent to a worker and received, as multiprocessing does it."""
    buffer = io.BytesIO()
    ForkingPickler(buffer).dump(value)
    buffer.seek(0)
    return pickle.load(buffer)


@pytest.mark.parametrize("row", ROWS.values(), ids=map("-".join, ROWS))
def test_datasets_of_every_recipe_can_be_sent(row, recipe_brain):
    """To a worker that is not forked, with what collates them."""
    _, datasets, loader = recipe_brain(row)
    for data in datasets.values():
        sent, collate = pickled((data, loader.get("collate_fn", PaddedBatch)))
        assert len(sent) == len(data)
        assert collate([sent[0]]).id == collate([data[0]]).id


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS.values(), ids=map("-".join, ROWS))
def test_spawned_workers_of_every_recipe(row, recipe_brain):
    """They load what this process loads."""
    _, datasets, loader = recipe_brain(row)
    data = datasets["valid"] if "valid" in datasets else datasets["train"]
    collate = loader.get("collate_fn", PaddedBatch)
    found = DataLoader(
        data,
        batch_size=2,
        collate_fn=collate,
        num_workers=1,
        multiprocessing_context=SPAWN,
    )
    for batch, first in zip(found, range(0, len(data), 2)):
        here = collate(
            [data[i] for i in range(first, min(first + 2, len(data)))]
        )
        assert batch.id == here.id
        assert torch.equal(batch.sig.data, here.sig.data)


@pytest.mark.slow
def test_spawned_workers_of_a_stream(shards):
    """Of validation; those of training are above."""
    stream = ShardPass(shards, **SETTINGS)
    options = {"batch_size": None, "num_workers": 2}
    found = ids(DataLoader(stream, multiprocessing_context=SPAWN, **options))
    assert found == ids(DataLoader(stream, **options))


def test_what_a_worker_imports_is_light():
    """It reads sound and labels; models and metrics are none of its business."""
    rooms = sorted((ROOT / "speechbrain_petl" / "data").glob("[a-z]*.py"))
    names = ", ".join(f"speechbrain_petl.data.{path.stem}" for path in rooms)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {names}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"torch", "speechbrain_petl"} <= found
    assert not found & HEAVY
