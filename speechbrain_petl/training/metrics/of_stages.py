"""The loss and the metrics of a stage, counted batch by batch."""

from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torchmetrics import MeanMetric


class StageMetrics(nn.ModuleDict):
    """Metrics that are reset at the start of a stage and computed at its end.

    Computed over all processes, and saved with checkpoints, so that a killed
    epoch goes on counting. Counting a batch waits for no device.

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
    >>> for name in metrics.scores:
    ...     metrics[name].update(torch.tensor([0.9, 0.2]), torch.tensor([1, 1]))
    >>> metrics.compute()
    {'loss': 0.5, 'accuracy': 0.5}
    """

    def __init__(self, metrics, device):
        super().__init__({"loss": MeanMetric(), **metrics})
        if not str(device).startswith("mps"):  # which has no 64 bits
            # so that the order of adding, which a resumed run changes, is lost
            self["loss"].set_dtype(torch.float64)
        self.to(device)
        self.scores = list(metrics)  # names of all but the loss
        for metric in self.values():
            metric.persistent(True)
            metric.validate_args = False  # it would wait for each batch

    def count_loss(self, loss, clips):
        """Count a batch into the mean loss of a clip.

        Arguments
        ---------
        loss : torch.Tensor
            The mean over the clips, on any device.
        clips : int
            How many.
        """
        self["loss"].update(loss.detach().to(self["loss"].device), clips)

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
        names = ["loss"] if loss_alone else self
        return {name: float(self[name].compute()) for name in names}

    def reset(self):
        """Forget all that was counted."""
        for metric in self.values():
            metric.reset()

    @contextmanager
    def synced(self):
        """Inside, every process holds the counts of all.

        Yields
        ------
        None
        """
        with ExitStack() as stack:
            for metric in self.values():
                stack.enter_context(metric.sync_context())
            yield
