"""The loss and the metrics of a stage, counted batch by batch."""

from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torchmetrics import MeanMetric

LOT = 100  # batches that are counted together


class StageMetrics(nn.ModuleDict):
    """Metrics that are reset at the start of a stage and computed at its end.

    Computed over all processes, and saved with checkpoints, so that a killed
    epoch goes on counting. Nobody waits for a device at each batch: batches are
    counted in lots, since some metrics do.

    Arguments
    ---------
    metrics : dict
        Name -> torchmetrics metric.
    device : str
        Where they count.

    Example
    -------
    >>> from torchmetrics.classification import BinaryAccuracy
    >>> metrics = StageMetrics({"accuracy": BinaryAccuracy()}, "cpu")
    >>> metrics.count_loss(torch.tensor(0.5), clips=2)
    >>> metrics.count(torch.tensor([0.9, 0.2]), torch.tensor([1, 1]))
    >>> metrics.compute()
    {'loss': 0.5, 'accuracy': 0.5}
    """

    def __init__(self, metrics, device):
        super().__init__({"loss": _MeanLoss(), **metrics})
        self.waiting = []  # batches of the lot
        if not str(device).startswith("mps"):  # which has no 64 bits
            # so that the order of adding, which a resumed run changes, is lost
            self["loss"].set_dtype(torch.float64)
        self.to(device)
        self.scores = list(metrics)  # names of all but the loss
        for metric in self.values():
            metric.persistent(True)
            metric.validate_args = False  # what a network says is valid

    def count_loss(self, loss, clips):
        """Count a batch into the mean loss of a clip; nan is left out.

        Arguments
        ---------
        loss : torch.Tensor
            The mean over the clips, on any device.
        clips : int or torch.Tensor
            How many.
        """
        device = self["loss"].device
        loss = loss.detach().to(device, non_blocking=True)
        self["loss"].update(loss, clips)

    def count(self, predictions, targets, **more):
        """Count a batch into all other metrics.

        Arguments
        ---------
        predictions, targets, **more
            What they take, the predictions where they count.
        """
        self.waiting.append((predictions, targets, more))
        if len(self.waiting) == LOT:
            self._count_lot()

    def _count_lot(self):
        lot, self.waiting = self.waiting, []
        for predictions, targets, more in lot:
            targets = targets.to(predictions.device)
            for name in self.scores:
                self[name].update(predictions, targets, **more)

    def compute(self, loss_alone=False):
        """The values over all processes.

        Arguments
        ---------
        loss_alone : bool
            Where nothing else was counted.

        Returns
        -------
        dict
            Name -> float.
        """
        self._count_lot()
        names = ["loss"] if loss_alone else self
        return {name: float(self[name].compute()) for name in names}

    def reset(self):
        """Forget all that was counted."""
        self.waiting = []
        for metric in self.values():
            metric.reset()

    @contextmanager
    def synced(self):
        """Inside, every process holds the counts of all.

        Yields
        ------
        None
        """
        self._count_lot()
        with ExitStack() as stack:
            for metric in self.values():
                stack.enter_context(metric.sync_context())
            yield


class _MeanLoss(MeanMetric):
    """torchmetrics' looks for nan at each batch, and waits for the device."""

    def update(self, value, weight):
        """Count the mean of so many items, a tensor."""
        counts, value = ~value.isnan(), value.to(self.dtype)
        self.mean_value += torch.where(counts, value * weight, 0.0)
        self.weight += counts * weight
