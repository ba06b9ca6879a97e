"""Losses that SpeechBrain and torch have not as they are needed here."""

import torch


def weighted_cross_entropy(logits, targets, weights=None):
    """Cross entropy of soft targets, the mean by weight.

    sum(w * loss) / sum(w) over the clips, as torch has it for class indices;
    for soft targets torch divides by the number of clips, so that the loss of a
    batch of rare classes is many times that of another.

    Arguments
    ---------
    logits : torch.Tensor
        Of the classes (batch, class).
    targets : torch.Tensor
        Soft: of each class (batch, class), 1 in all.
    weights : torch.Tensor, optional
        Of the classes (class,).

    Returns
    -------
    torch.Tensor
        A scalar.

    Example
    -------
    >>> targets, weights = torch.eye(2), torch.tensor([9.0, 3.0])
    >>> weighted_cross_entropy(torch.zeros(2, 2), targets, weights)
    tensor(0.6931)
    """
    losses = torch.nn.functional.cross_entropy(
        logits, targets, reduction="none"
    )
    if weights is None:
        return losses.mean()
    of_clips = targets @ weights
    return (losses * of_clips).sum() / of_clips.sum()
