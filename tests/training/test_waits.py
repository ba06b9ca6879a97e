"""No step waits for the GPU: every method file, from waveform to loss.

Without a GPU, see fake_gpu.py. What a step waits for at its end, whether it was
finite, is ``SteppingBrain._wait``, once.
"""

import pytest
import torch
from fake_gpu import (
    Crossing,
    Watch,
    autocast,
    emptied,
    fake,
    faking,
    forward_on_gpu,
)
from recipe_brains import every_row, first_data
from speechbrain_petl import Mixup, RandomGain, SpecAugment, TimeShift
from speechbrain_petl.training.metrics.of_stages import LOT, StageMetrics
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
)
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy
from toy import CLASSES, toy_brain, vectors

from speechbrain import Stage

WAITS = (DataDependentOutputException, DynamicOutputShapeException, Crossing)
# which evaluate symbol by symbol, or decode CTC on the host
SEARCHED = "train_seq2seq.py", "LibriSpeech/train.py"


def batch_of(brain, datasets, loader):
    """The first one."""
    data = first_data(datasets)
    return next(iter(brain.make_dataloader(data, Stage.TRAIN, **loader)))


def take_step(brain, batch):
    """A step on the CPU, of fake tensors; how often it waits."""
    waits = []

    def wait(*more):
        waits.append(more)
        brain.loss_is_finite = True
        return [1.0 for _ in more]

    brain._wait = wait
    with faking() as mode:
        emptied(brain.modules, "cpu")
        brain.init_optimizers()
        brain.modules.train()
        brain.on_stage_start(Stage.TRAIN, 1)
        brain.step = 1
        brain.fit_batch(fake(batch, mode))
        return len(waits)


def compute_on_gpu(brain, batch, stage):
    """Forward pass, loss and scores of a batch; the device of the loss."""
    brain.device = "cuda"
    with faking() as mode:
        emptied(brain.modules, "cuda").train(stage == Stage.TRAIN)
        brain.on_stage_start(stage, 1)
        for name, value in vars(brain).items():  # such as weights of classes
            if isinstance(value, torch.Tensor):
                setattr(brain, name, value.to("cuda"))
        batch = fake(batch, mode)
        tensors = torch.utils._pytree.tree_leaves(list(vars(batch).values()))
        given = [leaf for leaf in tensors if isinstance(leaf, torch.Tensor)]
        with Watch(given), autocast():
            batch = batch.to("cuda", non_blocking=True)
            outputs = brain.compute_forward(batch, stage)
            return brain.compute_objectives(outputs, batch, stage).device.type


@pytest.mark.parametrize("row", every_row())
def test_no_step_waits(row, recipe_brain, monkeypatch):
    """Nor makes a tensor on the CPU; the step waits once, at its end.

    But for torch's CTC, which wants the lengths of all texts on the host.
    """
    monkeypatch.setattr(F, "ctc_loss", lambda x, *_, **__: x.mean())
    brain, datasets, loader = recipe_brain(row)
    batch = batch_of(brain, datasets, loader)
    assert take_step(brain, batch) == 1
    for stage in (Stage.TRAIN, Stage.VALID):
        if stage == Stage.TRAIN or not row["Script_file"].endswith(SEARCHED):
            batch = batch_of(brain, datasets, loader)
            assert compute_on_gpu(brain, batch, stage) == "cuda"


class Planted(nn.Module):
    """Does something on the way."""

    def __init__(self, what):
        super().__init__()
        self.what = what
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        """Vectors (batch, dim) to the same."""
        self.what(x)
        return x * self.scale


PLANTED = {
    "item": lambda x: x.sum().item(),
    "if": lambda x: bool(x.sum() > 0),
    "list": lambda x: x.tolist(),
    "nonzero": lambda x: x.nonzero(),
    "booleans": lambda x: x[x > 0],
}
ELSEWHERE = {
    "made": lambda x: torch.zeros(3),
    "moved": lambda x: x.cpu(),
    "copied": lambda x: torch.tensor([1.0, 2, 3, 4]).to(x.device),
}


@pytest.mark.parametrize("name", [*PLANTED, *ELSEWHERE])
def test_what_is_planted_is_found(name, tmp_path):
    """On the GPU all of it, in a whole step what waits."""
    what = {**PLANTED, **ELSEWHERE}[name]
    with pytest.raises(WAITS):
        forward_on_gpu(Planted(what), torch.ones(2, 4))
    if name in PLANTED:
        net = nn.Sequential(Planted(what), nn.Linear(4, 2))
        brain = toy_brain(tmp_path, net)
        batch = batch_of(brain, {"train": vectors(4)}, {"batch_size": 2})
        with pytest.raises(WAITS):
            take_step(brain, batch)


@pytest.mark.parametrize(
    "step, shape",
    [
        (SpecAugment(mels=24, frames=80), (4, 100, 128)),
        (Mixup(share=0.5), (4, 100, 128)),
        (RandomGain(), (4, 1600)),
        (TimeShift(most=80), (4, 1600)),
    ],
)
def test_augmentation(step, shape):
    x, targets = forward_on_gpu(step, torch.ones(shape), torch.eye(4))
    assert x.shape == shape and x.device.type == targets.device.type == "cuda"


def test_metrics_are_counted_in_lots(monkeypatch):
    """All the same: of the whole stage, and after it is forgotten."""
    lots = []
    accuracy = MulticlassAccuracy(CLASSES, average="micro")
    metrics = StageMetrics({"accuracy": accuracy}, "cpu")
    count_lot = metrics._count_lot
    monkeypatch.setattr(
        metrics,
        "_count_lot",
        lambda: (lots.append(len(metrics.waiting)), count_lot()),
    )
    predictions, targets = torch.eye(2), torch.tensor([0, 0])
    for _ in range(LOT + 1):
        metrics.count(predictions, targets)
        metrics.count_loss(torch.tensor(1.0), 2)
    metrics.count_loss(torch.tensor(torch.nan), 2)
    assert lots == [LOT]
    assert metrics.compute() == {"loss": 1.0, "accuracy": 0.5}
    assert lots == [LOT, 1]
    metrics.count(predictions, targets)
    metrics.reset()
    metrics.count(predictions, torch.tensor([0, 1]))
    assert metrics.compute()["accuracy"] == 1.0
