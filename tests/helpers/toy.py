"""A PETLBrain without audio: vectors, a small network, two classes."""

import os
from functools import partial

import torch
from speechbrain_petl import PETLBrain
from torch import nn
from torchmetrics.classification import MulticlassAccuracy

from speechbrain import Stage
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.epoch_loop import EpochCounter

DIM, CLASSES = 4, 2


class Silence:
    """A train logger that logs nothing."""

    def log_stats(self, *args, **kwargs):
        """Nothing."""


class ToyBrain(PETLBrain):
    """Vectors (batch, dim) -> logits (batch, class)."""

    def compute_forward(self, batch, stage):
        """Logits."""
        return self.modules.net(batch.to(self.device).x.data)

    def compute_objectives(self, predictions, batch, stage):
        """Cross entropy."""
        self.score(predictions, batch.target)
        return nn.functional.cross_entropy(predictions, batch.target)


class Poisoned(ToyBrain):
    """Some steps of training see clips that are not finite."""

    steps = (2,)

    def compute_forward(self, batch, stage):
        """Logits."""
        if stage == Stage.TRAIN and self.step in self.steps:
            self.poisoned = batch.id
            batch.x.data.fill_(float("nan"))
        return super().compute_forward(batch, stage)


def vectors(count, seed=0, classes=CLASSES):
    """A dataset of random vectors and targets."""
    generator = torch.Generator().manual_seed(seed)
    items = {
        f"{i:03d}": {
            "x": torch.randn(DIM, generator=generator),
            "target": int(torch.randint(classes, (1,), generator=generator)),
        }
        for i in range(count)
    }
    return DynamicItemDataset(items, output_keys=["id", "x", "target"])


def network(*middle):
    """Linear, whatever is given, Linear; the same at every call."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(DIM, 8), *middle, nn.Linear(8, CLASSES))


def normalised():
    """The same with statistics of its batches."""
    return network(nn.BatchNorm1d(8), nn.ReLU())


def toy_brain(folder, net=None, brain=ToyBrain, opt_class=None, **run_opts):
    """A brain around a net, with checkpoints in a folder."""
    net = net or network()
    opt_class = opt_class or partial(torch.optim.SGD, lr=0.1)
    counter = EpochCounter(run_opts.pop("epochs", 2))
    checkpointer = Checkpointer(
        str(folder / "save"), {"counter": counter, "net": net}
    )
    made = brain(
        {"net": net},
        metrics={"accuracy": MulticlassAccuracy(CLASSES, average="micro")},
        select="accuracy",
        train_logger=Silence(),
        seed=run_opts.pop("seed", 1),
        opt_class=opt_class,
        hparams=run_opts.pop("hparams", {}),
        run_opts={"device": "cpu", "noprogressbar": True, **run_opts},
        checkpointer=checkpointer,
    )
    made.counter, made.folder = counter, folder
    return made


def train(brain, train=8, valid=5, test=5, batch_size=2, num_workers=0):
    """Train and test on that many vectors; the result."""
    datasets = {"train": vectors(train, 1), "test": vectors(test, 3)}
    if valid:
        datasets["valid"] = vectors(valid, 2)
    return brain.train_and_test(
        brain.counter,
        datasets,
        {"batch_size": batch_size, "num_workers": num_workers},
        {"dataset": "vectors", "method": "toy"},
        os.path.join(brain.folder, "result.json"),
    )
