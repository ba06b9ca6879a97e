"""Metrics of tagging, where a clip has any number of labels.

Means over the classes (macro), as AudioSet's (https://doi.org/10.1109/
ICASSP.2017.7952261): the average precision, the area under the ROC curve, and
d' = sqrt(2) * the normal quantile of that area. Equal to scikit-learn's, ties
included. A class without positive or without negative clips has no curve: it
is left out of the mean, and the log says how many are.
"""

from functools import lru_cache

import torch
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)


class TaggingMetric(Metric):
    """Keeps the scores of an epoch; subclasses rate one class at a time.

    Meant for validation and test: 8 bytes a clip and class, gathered from all
    processes. They are not saved with checkpoints.

    Arguments
    ---------
    classes : int
        Number of classes.

    After ``compute``, ``of_classes`` has the value of each (class,).
    """

    full_state_update = False
    higher_is_better = True

    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("hits", [], dist_reduce_fx="cat")

    def update(self, scores, targets):
        """Count scores, such as logits, and targets, both (batch, class)."""
        # flat and fp32, as torchmetrics has it for a process without clips
        self.scores.append(scores.float().flatten())
        self.hits.append(targets.float().flatten())

    def compute(self):
        """The mean over the classes that have a curve; nan without any."""
        # on the CPU: not every device has the 64 bits of `_curve`
        scores = dim_zero_cat(self.scores).cpu().view(-1, self.classes)
        hits = dim_zero_cat(self.hits).cpu().view(-1, self.classes) > 0.5
        positive = hits.sum(dim=0)
        rated = (positive > 0) & (positive < len(hits))
        left_out = self.classes - int(rated.sum())
        if left_out:
            _say_left_out(left_out, self.classes, len(hits))
        values = torch.full((self.classes,), torch.nan, dtype=torch.double)
        for c in rated.nonzero().flatten().tolist():
            values[c] = self.rate(*_curve(scores[:, c], hits[:, c]))
        self.of_classes = values  # nan where there is no curve
        return values[rated].mean()

    def rate(self, found, wrong):
        """The value of one class.

        Arguments
        ---------
        found : torch.Tensor
            True positives above each threshold, from the highest (threshold,).
        wrong : torch.Tensor
            False positives above it (threshold,).

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        raise NotImplementedError

    def persistent(self, mode=False):
        """Never in a checkpoint: the scores of an epoch are megabytes."""


class MeanAveragePrecision(TaggingMetric):
    """mAP: the precision, averaged over the recall.

    Arguments
    ---------
    classes : int
        Number of classes.

    Example
    -------
    >>> metric = MeanAveragePrecision(classes=2)
    >>> scores = torch.tensor([[0.9, 0.1], [0.8, 0.3], [0.7, 0.2]])
    >>> targets = torch.tensor([[1, 0], [0, 1], [1, 0]])
    >>> metric.update(scores, targets)
    >>> round(float(metric.compute()), 4)
    0.9167
    """

    def rate(self, found, wrong):
        """Average precision of one class."""
        gain = torch.diff(found, prepend=found.new_zeros(1)) / found[-1]
        return (gain * found / (found + wrong)).sum()


class MeanAUC(TaggingMetric):
    """AUC: how often a positive clip scores above a negative one.

    Arguments
    ---------
    classes : int
        Number of classes.

    Example
    -------
    >>> metric = MeanAUC(classes=1)
    >>> metric.update(
    ...     torch.tensor([[3], [2], [1]]), torch.tensor([[1], [0], [1]])
    ... )
    >>> float(metric.compute())
    0.5
    """

    def rate(self, found, wrong):
        """Area under the ROC curve of one class."""
        start = found.new_zeros(1)
        area = torch.trapezoid(
            torch.cat([start, found]), torch.cat([start, wrong])
        )
        return area / (found[-1] * wrong[-1])


class DPrime(MeanAUC):
    """d': the distance of two normal distributions that have this AUC.

    Arguments
    ---------
    classes : int
        Number of classes.

    Example
    -------
    >>> metric = DPrime(classes=1)
    >>> metric.update(
    ...     torch.tensor([[3], [2], [1]]), torch.tensor([[1], [0], [1]])
    ... )
    >>> float(metric.compute())
    0.0
    """

    def compute(self):
        """The square root of 2 times the normal quantile of the mean AUC."""
        return 2**0.5 * torch.special.ndtri(super().compute())


def _curve(scores, hits):
    """True and false positives from the highest score down (threshold,), fp64."""
    scores, order = scores.sort(descending=True)
    found = hits[order].double().cumsum(dim=0)
    last = torch.ones_like(hits)  # of the clips with that score
    last[:-1] = scores[1:] != scores[:-1]
    seen = torch.arange(1, len(scores) + 1, device=scores.device)
    return found[last], (seen - found)[last]


@lru_cache
def _say_left_out(left_out, classes, clips):
    """Once, not for every metric and epoch."""
    logger.warning(
        f"{left_out} of {classes} classes have no positive or no negative "
        f"clip among {clips}: they do not count in the means over classes"
    )
