"""Losses that SpeechBrain and torch have not as they are needed here."""

import torch


def weighted_cross_entropy(logits, shares, weights=None):
    """Cross entropy of shares of the classes, the mean by weight.

    sum(w * loss) / sum(w) over the clips, as torch has it for class indices;
    for shares torch divides by the number of clips, so that the loss of a batch
    of rare classes is many times that of another.

    Arguments
    ---------
    logits : torch.Tensor
        Of the classes (batch, class).
    shares : torch.Tensor
        True share of each class (batch, class).
    weights : torch.Tensor, optional
        Of the classes (class,).

    Returns
    -------
    torch.Tensor
        A scalar.

    Example
    -------
    >>> shares, weights = torch.eye(2), torch.tensor([9.0, 3.0])
    >>> weighted_cross_entropy(torch.zeros(2, 2), shares, weights)
    tensor(0.6931)
    """
    losses = torch.nn.functional.cross_entropy(logits, shares, reduction="none")
    if weights is None:
        return losses.mean()
    of_clips = shares @ weights
    return (losses * of_clips).sum() / of_clips.sum()
