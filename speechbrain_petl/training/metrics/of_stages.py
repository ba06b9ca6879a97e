"""The loss and the metrics of a stage, counted batch by batch."""

from contextlib import ExitStack, contextmanager
from functools import partial
from pydoc import locate

import torch
from torch import nn

LOT = 100  # batches that are counted together


def later(name, *args, **kwargs):
    """A metric that is made when the first batch is counted.

    Importing torchmetrics takes half as long as importing torch: the first
    training step does not wait for it.

    Arguments
    ---------
    name : str
        Of its class.
    *args, **kwargs
        Those of the class.

    Returns
    -------
    callable
        Without arguments, it makes the metric.

    Example
    -------
    >>> later("torchmetrics.MeanMetric")()
    MeanMetric()
    """
    return partial(_made, name, args, kwargs)


def _made(name, args, kwargs):
    return locate(name)(*args, **kwargs)


class StageMetrics(nn.ModuleDict):
    """Metrics that are reset at the start of a stage and computed at its end.

    Computed over all processes, and saved with checkpoints, so that a killed
    epoch goes on counting. Nobody waits for a device at each batch: batches are
    counted in lots, since some metrics do.

    Arguments
    ---------
    metrics : dict
        Name -> torchmetrics metric, or what makes one, see ``later``.
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
        super().__init__()
        self.makers, self.device = metrics, device
        self.scores = list(metrics)  # names of all but the loss
        self.losses, self.waiting = [], []  # what is to be counted

    def make(self):
        """Make the metrics, if they are not there."""
        if len(self):
            return
        from .mean_loss import MeanLoss

        self["loss"] = MeanLoss()
        if not str(self.device).startswith("mps"):  # which has no 64 bits
            # so that the order of adding, which a resumed run changes, is lost
            self["loss"].set_dtype(torch.float64)
        for name, metric in self.makers.items():
            self[name] = metric if isinstance(metric, nn.Module) else metric()
        self.to(self.device)
        for metric in self.values():
            metric.persistent(True)
            metric.validate_args = False  # what a network says is valid

    def state_dict(self, *args, **kwargs):
        """As a module's, with what waits."""
        self._count_lot()
        return super().state_dict(*args, **kwargs)

    def load_state_dict(self, *args, **kwargs):
        """As a module's, from any device."""
        self.make()
        loaded = super().load_state_dict(*args, **kwargs)
        self.to(self.device)  # metrics take what is loaded as it is
        return loaded

    def count_loss(self, loss, clips):
        """Count a batch into the mean loss of a clip; nan is left out.

        Arguments
        ---------
        loss : torch.Tensor
            The mean over the clips, on any device.
        clips : int or torch.Tensor
            How many.
        """
        # a copy: what CUDA graphs return, their next replay overwrites
        loss = loss.detach().to(self.device, non_blocking=True, copy=True)
        self.losses.append((loss, clips))
        if len(self.losses) == LOT:
            self._count_losses()

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

    def _count_losses(self):
        self.make()
        losses, self.losses = self.losses, []
        for loss, clips in losses:
            self["loss"].update(loss, clips)

    def _count_lot(self):
        self._count_losses()
        lot, self.waiting = self.waiting, []
        for predictions, targets, more in lot:
            if isinstance(targets, torch.Tensor):  # and no texts
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
        self.losses, self.waiting = [], []
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
