"""Apple's mps has no 64 bits, and no metric waits for its device in a step."""

import pytest
import torch
from no_doubles import OnDevice, on_device
from speechbrain_petl.training.metrics import of_stages, tagging, voting
from speechbrain_petl.training.predictions import Predictions
from torchmetrics.classification import MulticlassAccuracy

CLASSES, CLIPS = 3, 12
TAGGING = [tagging.MeanAveragePrecision, tagging.MeanAUC, tagging.DPrime]
MEASURES = [voting.top, voting.uar, voting.macro_f1, voting.confusion]


@pytest.fixture
def clips():
    """Logits and one-hot targets (clip, class), and the file of each."""
    torch.manual_seed(0)
    targets = torch.eye(CLASSES)[torch.arange(CLIPS) % CLASSES]
    return torch.randn(CLIPS, CLASSES), targets, torch.arange(CLIPS) % 6


def test_the_emulation(clips):
    """It refuses what mps refuses, and nothing on the CPU."""
    (x,) = on_device(clips[0])
    doubles = torch.ones(1, dtype=torch.float64)
    for act in (lambda: x.double(), lambda: x.add(doubles * x.shape[0])):
        with pytest.raises(TypeError, match="float64"):
            act()
    assert x.to("cpu").double().dtype == torch.float64
    assert x.cpu().double().dtype == torch.float64
    assert OnDevice.waits == ["to", "cpu"]
    assert isinstance(x.softmax(1) + 1, OnDevice)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_vote(activation, clips):
    logits = clips[0].view(4, 3, CLASSES)
    said = voting.vote(*on_device(logits), activation)
    assert torch.equal(said, voting.vote(logits, activation))


def value(metric, *batch):
    """What it says after two batches, in which it waits for nothing."""
    for part in zip(*(x.split(CLIPS // 2) for x in batch)):
        metric.update(*part)
    assert not OnDevice.waits
    return metric.compute()


@pytest.mark.parametrize("kind", TAGGING)
def test_tagging(kind, clips):
    logits, targets, _ = clips
    found = value(kind(CLASSES), *on_device(logits, targets))
    OnDevice.waits.clear()
    assert torch.equal(found, value(kind(CLASSES), logits, targets))


@pytest.mark.parametrize("measure", MEASURES)
def test_voting(measure, clips):
    found = value(voting.PerFile(measure), *on_device(*clips))
    OnDevice.waits.clear()
    assert torch.equal(found, value(voting.PerFile(measure), *clips))


def test_metrics_of_a_stage(clips):
    """The loss in 64 bits where there are any; accuracy unchecked."""
    logits, targets, _ = clips
    accuracy = MulticlassAccuracy(CLASSES, average="micro")
    metrics = of_stages.StageMetrics({"accuracy": accuracy}, "cpu")
    metrics.make()
    metrics["accuracy"].update(*on_device(logits, targets.argmax(1)))
    assert not OnDevice.waits
    hits = (logits.argmax(1) == targets.argmax(1)).float().mean().item()
    assert metrics.compute()["accuracy"] == pytest.approx(hits)
    assert metrics["loss"].mean_value.dtype == torch.float64


def test_loss_of_a_device_without_doubles(monkeypatch):
    """It stays in 32 bits."""
    monkeypatch.setattr(
        of_stages.nn.ModuleDict, "to", lambda self, device: self
    )
    metrics = of_stages.StageMetrics({}, "mps:0")
    metrics.make()
    assert metrics["loss"].mean_value.dtype == torch.float32


def test_predictions(clips):
    tables = []
    for logits, targets in (clips[:2], on_device(*clips[:2])):
        predictions = Predictions()
        predictions.add([str(i) for i in range(CLIPS)], logits, targets)
        tables.append(predictions.table([*"abc"]))
    assert tables[0].equals(tables[1])
