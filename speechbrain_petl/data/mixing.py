"""Which training clips are drawn: balanced classes, and others to mix with."""

import random
from collections import Counter

import torch

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.sampler import (
    ReproducibleRandomSampler,
    ReproducibleWeightedRandomSampler,
)

from ..errors import InputError, check_arguments


def balancing_weights(entries):
    """How often to draw each clip for the classes to come equally often.

    Arguments
    ---------
    entries : dict
        id -> manifest entry with a "label", or "labels" if it has several.

    Returns
    -------
    list of float
        The sum of 1 / (clips with the label) over its labels.

    Example
    -------
    >>> balancing_weights({k: {"label": k[0]} for k in ("a1", "b1", "b2")})
    [1.0, 0.5, 0.5]
    """
    labels = [e.get("labels") or [e["label"]] for e in entries.values()]
    counts = Counter(label for names in labels for label in names)
    return [sum(1 / counts[label] for label in names) for names in labels]


def random_sampler(dataset, seed, balance=False):
    """The order of the training clips, unless a recipe has its own.

    Arguments
    ---------
    dataset : torch.utils.data.Dataset
        The training clips.
    seed : int
        Seeds the order, alike in every process.
    balance : bool
        Draw with replacement, so that the classes come equally often.

    Returns
    -------
    torch.utils.data.Sampler
        Yields the indices of an epoch; ``set_epoch`` changes the order.

    Example
    -------
    >>> sorted(random_sampler(range(4), seed=1))
    [0, 1, 2, 3]
    """
    if not balance:
        return ReproducibleRandomSampler(dataset, seed=seed)
    weights = balancing_weights(dataset.data)
    return ReproducibleWeightedRandomSampler(
        weights, len(weights), replacement=True, seed=seed
    )


def mixed_clips(dataset, seed, mixup):
    """The training clips, mixed or as they are.

    Arguments
    ---------
    dataset : torch.utils.data.Dataset
        The clips.
    seed : int
        Of what is drawn.
    mixup : dict or None
        Arguments of ``MixedClips``.

    Returns
    -------
    dataset : torch.utils.data.Dataset
        What to train on.
    more : dict
        What its loader needs besides.

    Example
    -------
    >>> mixed_clips([1, 2], seed=1, mixup={"prob": 0.0})
    ([1, 2], {})
    """
    if not mixup or not mixup["prob"]:
        return dataset, {}
    check_arguments(MixedClips, dataset, seed, **mixup, key="mixup")
    return MixedClips(dataset, seed, **mixup), {"collate_fn": PaddedBatch}


class MixedClips(torch.utils.data.Dataset):
    """A data set of which a share of the clips is mixed with others.

    x = w x_i + (1 - w) x_j with w from Beta(alpha, alpha) and j uniform, the
    mean of each waveform taken away before, as in the original AST
    (https://arxiv.org/abs/2104.01778); ``soft_targets`` are mixed alike. What is drawn
    depends on seed, epoch and clip alone.

    Arguments
    ---------
    dataset : torch.utils.data.Dataset
        Its items have ``sig`` (sample,) and ``soft_targets`` (class,).
    seed : int
        Of what is drawn.
    prob : float
        With which a clip is mixed.
    alpha : float
        Of the Beta distribution.

    Example
    -------
    >>> clips = [
    ...     {"sig": torch.randn(9 + i), "soft_targets": torch.eye(2)[i]}
    ...     for i in range(2)
    ... ]
    >>> mixed = MixedClips(clips, seed=1, prob=1.0)
    >>> mixed[0]["sig"].shape, mixed[0]["soft_targets"].sum()
    (torch.Size([9]), tensor(1.))
    """

    def __init__(self, dataset, seed, prob=0.5, alpha=10.0):
        if not 0 <= prob <= 1 or alpha <= 0:
            raise InputError(
                f"mixup: prob={prob} must lie between 0 and 1, and "
                f"alpha={alpha} above 0"
            )
        if not hasattr(dataset, "__getitem__"):
            raise InputError(
                "mixup: a stream of shards cannot be asked for any clip: mix "
                "in the batch, by speechbrain_petl.Mixup in wave_augment"
            )
        self.dataset, self.seed = dataset, seed
        self.prob, self.alpha = prob, alpha
        # workers that stay from epoch to epoch see what is in shared memory
        self.epoch = torch.zeros(1, dtype=torch.long).share_memory_()

    def __getattr__(self, name):
        if name == "dataset":  # not there yet: a copy in a worker
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def start(self, epoch, step):
        """What is drawn depends on the epoch."""
        self.epoch.fill_(epoch)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        item = self.dataset[index]
        draws = random.Random(f"{self.seed} {int(self.epoch)} {index}")
        if draws.random() >= self.prob:
            return item
        other = self.dataset[draws.randrange(len(self.dataset))]
        weight = draws.betavariate(self.alpha, self.alpha)
        mine, theirs = (x - x.mean() for x in (item["sig"], other["sig"]))
        mixed = weight * mine
        shared = min(len(mine), len(theirs))
        mixed[:shared] += (1 - weight) * theirs[:shared]
        key = "soft_targets"
        targets = torch.lerp(other[key], item[key], weight)
        return {**item, "sig": mixed, key: targets}
