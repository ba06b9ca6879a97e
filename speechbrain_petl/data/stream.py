"""Batches of clips from tar shards, in memory that no data set can fill.

Each loader worker of each process reads its own share and holds a shuffle
buffer. The order is a function of seed, epoch, number of processes and of
workers, so that a run can go on in the middle of an epoch.
"""

import io
import random
from itertools import count
from math import ceil

import torch
from torch.utils.data import IterableDataset, get_worker_info

from speechbrain.dataio.batch import PaddedBatch

from ..errors import InputError
from .audio import read_audio
from .clips import multi_hot
from .shards import audio_of, labels_of, read_shard


class ShardStream(IterableDataset):
    """Reads clips as ``ClipDataset`` does; subclasses choose and order them.

    Yields whole batches: give the loader ``batch_size=None``.

    Arguments
    ---------
    shards : dict
        Path of a tar file -> number of clips.
    classes : list of str
        All labels, in the order of the targets.
    samples : int
        Read at most that many samples of a clip.
    batch_size : int
        Clips of a batch.
    """

    def __init__(self, shards, classes, samples, batch_size):
        super().__init__()
        self.shards, self.clips = shards, sum(shards.values())
        self.samples, self.batch_size = samples, batch_size
        world = torch.distributed.is_initialized()
        self.processes = torch.distributed.get_world_size() if world else 1
        self.rank = torch.distributed.get_rank() if world else 0
        self.index_of = {label: i for i, label in enumerate(classes)}

    def _labels(self, path, key, files):
        labels = labels_of(path, key, files)
        unknown = [label for label in labels if label not in self.index_of]
        if unknown:
            raise InputError(
                f"{path}: the clip {key} has the label {unknown[0]!r}, which "
                "is none of the classes"
            )
        return [self.index_of[label] for label in labels]

    def _read(self, paths, unit=0, units=1):
        """(path, id, files) of the clips of shards, dealt to readers in turn.

        A shard that has fewer clips than the index says was not copied whole.
        """
        number = 0
        for path in paths:
            end = number + self.shards[path]
            for key, files in read_shard(path):
                if number % units == unit:
                    yield path, key, files
                number += 1
            if number != end:
                raise InputError(
                    f"{path} has {number - end + self.shards[path]} clips, "
                    f"its index says {self.shards[path]}: copy or pack it again"
                )

    def _decode(self, path, key, labels, audio):
        name = f"{path}: {key}"
        return {
            "id": key,
            "sig": read_audio(io.BytesIO(audio), self.samples, name=name),
            "soft_targets": multi_hot(labels, len(self.index_of)),
        }


class ShardPass(ShardStream):
    """Every clip once, for validation and test.

    Clips are dealt out in turn, so that no process gets more than one more
    than another; the others' are skipped unread.

    Arguments
    ---------
    *args, **kwargs
        As for ShardStream.
    """

    def __iter__(self):
        worker, workers = _worker()
        units = self.processes * workers
        unit = worker * self.processes + self.rank
        batch = []
        for path, key, files in self._read(self.shards, unit, units):
            labels = self._labels(path, key, files)
            audio = audio_of(path, key, files)
            batch.append(self._decode(path, key, labels, audio))
            if len(batch) == self.batch_size:
                yield PaddedBatch(batch)
                batch = []
        if batch:
            yield PaddedBatch(batch)


class TrainStream(ShardStream):
    """Epochs of a fixed number of shuffled, class-balanced batches.

    Whole shards are dealt out anew in each epoch (single clips, if there are
    fewer shards than readers), and read again by a reader that comes to their
    end before the epoch's. To balance the classes, a clip is drawn as many
    times in a pass as its weight (see ``ClipDataset.weights``) is over the
    mean weight, 0 times included, rounded at random to the same expectation.

    Arguments
    ---------
    shards, classes
        As for ShardStream.
    counts : dict, optional
        Label -> number of clips that have it, to balance the classes.
    clips_per_epoch : int, optional
        Over all processes; the number of clips by default.
    buffer : int
        Clips of the shuffle buffer of each worker, held as they are encoded.
    seed : int
        Of the order.
    **kwargs : dict
        As for ShardStream.
    """

    def __init__(
        self,
        shards,
        classes,
        counts=None,
        clips_per_epoch=None,
        buffer=1000,
        seed=0,
        **kwargs,
    ):
        super().__init__(shards, classes, **kwargs)
        self.buffer, self.seed, self.weights = buffer, seed, None
        if counts is not None:
            # the weights 1 / count of all clips sum to the number of labels
            labelled = max(sum(map(bool, counts.values())), 1)
            self.weights = [
                counts.get(c, 0) and self.clips / labelled / counts[c]
                for c in classes
            ]
        clips = clips_per_epoch or self.clips
        self.batches = ceil(clips / (self.batch_size * self.processes))
        # epoch and batch, where workers that outlive an epoch see them change
        self.position = torch.zeros(2, dtype=torch.int64).share_memory_()
        self.start(epoch=1)

    def start(self, epoch, batch=0):
        """Say where the next iteration starts.

        Arguments
        ---------
        epoch : int
            Each has another order.
        batch : int
            How many batches of it have been seen.
        """
        self.position.copy_(torch.tensor([epoch, batch]))

    def __len__(self):
        return self.batches

    def __iter__(self):
        worker, workers = _worker()
        epoch, seen = self.position.tolist()
        # the loader asks worker 0 first: it is to have the next batch
        turn = (worker + seen) % workers
        unit, units = self.rank * workers + turn, self.processes * workers
        order = f"{self.seed} {epoch}"
        rng = random.Random(f"{order} {unit}")
        clips = self._endless(unit, units, order, rng)
        clips = _shuffled(clips, self.buffer, rng)
        for number in range(turn, self.batches, workers):
            batch = [next(clips) for _ in range(self.batch_size)]
            if number >= seen:
                yield PaddedBatch([self._decode(*clip) for clip in batch])

    def _endless(self, unit, units, order, rng):
        """(path, id, labels, audio) of a reader's share, over and over."""
        if self.clips < units:
            raise InputError(
                f"{self.clips} clips cannot be shared by {units} loader "
                "workers: lower num_workers or the number of processes"
            )
        paths = sorted(self.shards)
        random.Random(order).shuffle(paths)
        if len(paths) >= units:
            paths, unit, units = paths[unit::units], 0, 1
        for again in count(start=1):
            chances = 0
            for path, key, files in self._read(paths, unit, units):
                labels = self._labels(path, key, files)
                weight = self._weight(labels)
                chances += weight
                times = int(weight + rng.random())
                audio = audio_of(path, key, files) if times else None
                for _ in range(times):
                    yield path, key, labels, audio
            if not chances:
                raise InputError(
                    f"no clip of {paths[0]} and {len(paths) - 1} other shards "
                    "has a label that the index counts, so none is drawn: "
                    "pack them with their labels, or give balance=False"
                )
            random.Random(f"{order} {again}").shuffle(paths)

    def _weight(self, labels):
        """How many times a clip is drawn in a pass, on average."""
        if self.weights is None:
            return 1
        return sum(self.weights[label] for label in set(labels))


def _worker():
    info = get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)


def _shuffled(items, size, rng):
    """An endless stream, shuffled within a buffer."""
    buffer = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        index = rng.randrange(size)
        yield buffer[index]
        buffer[index] = item
