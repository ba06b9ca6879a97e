"""Metrics of tagging for ``voting.PerFile``, whose windows vote."""

from .tagging import MeanAveragePrecision


def mean_average_precision(scores, targets):
    """mAP of all clips at once, for ``PerFile``.

    Arguments
    ---------
    scores : torch.Tensor
        What grows with the probabilities (clip, class).
    targets : torch.Tensor
        1 for the classes of a clip, else 0 (clip, class).

    Returns
    -------
    torch.Tensor
        A scalar.

    Example
    -------
    >>> import torch
    >>> float(mean_average_precision(torch.eye(3), torch.eye(3)))
    1.0
    """
    metric = MeanAveragePrecision(scores.shape[1])
    metric.sync_on_compute = False  # they are of all processes already
    metric.update(scores, targets)
    return metric.compute()
