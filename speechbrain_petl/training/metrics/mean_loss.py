"""The mean loss of a stage; imported when it is needed, see of_stages.py."""

import torch
from torchmetrics import MeanMetric


class MeanLoss(MeanMetric):
    """torchmetrics' looks for nan at each batch, and waits for the device.

    Example
    -------
    >>> mean = MeanLoss()
    >>> mean.update(torch.tensor(0.5), 2)
    >>> mean.update(torch.tensor(torch.nan), 2)
    >>> mean.compute()
    tensor(0.5000)
    """

    def update(self, value, weight):
        """Count the mean of so many items, a tensor."""
        counts, value = ~value.isnan(), value.to(self.dtype)
        self.mean_value += torch.where(counts, value * weight, 0.0)
        self.weight += counts * weight
