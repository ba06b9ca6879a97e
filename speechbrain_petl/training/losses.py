"""Losses that SpeechBrain and torch have not as they are needed here."""

import inspect

import torch

from ..errors import InputError


def binary_cross_entropy(logits, targets, label_smoothing=0.0):
    """Binary cross entropy of each class by itself, with label smoothing.

    Arguments
    ---------
    logits : torch.Tensor
        Of the classes (batch, class).
    targets : torch.Tensor
        Soft: of each class (batch, class), 0 to 1.
    label_smoothing : float
        The targets t become t (1 - smoothing) + smoothing / 2.

    Returns
    -------
    torch.Tensor
        A scalar, the mean over clips and classes.

    Example
    -------
    >>> binary_cross_entropy(torch.zeros(2, 2), torch.eye(2))
    tensor(0.6931)
    """
    if not 0 <= label_smoothing <= 1:  # as torch has it for its own
        raise InputError(
            f"loss: label_smoothing={label_smoothing}: give 0 to 1"
        )
    targets = targets * (1 - label_smoothing) + label_smoothing / 2
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)


def weighted_cross_entropy(logits, targets, weights=None, label_smoothing=0.0):
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
    label_smoothing : float
        Share that all classes have in common.

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
        logits, targets, reduction="none", label_smoothing=label_smoothing
    )
    if weights is None:
        return losses.mean()
    of_clips = (targets * weights).sum(1)  # which autocast does not round
    return (losses * of_clips).sum() / of_clips.sum()


def labels_or_tags(
    logits, targets, weights=None, label_smoothing=0.0, tagging=False
):
    """``binary_cross_entropy`` of tags, ``weighted_cross_entropy`` of labels.

    Arguments
    ---------
    logits, targets, weights, label_smoothing
        As for these.
    tagging : bool
        Whether clips may have several classes.

    Returns
    -------
    torch.Tensor
        A scalar.

    Example
    -------
    >>> labels_or_tags(torch.zeros(2, 4), torch.eye(4)[:2])
    tensor(1.3863)
    >>> labels_or_tags(torch.zeros(2, 4), torch.eye(4)[:2], tagging=True)
    tensor(0.6931)
    """
    if tagging:
        return binary_cross_entropy(logits, targets, label_smoothing)
    return weighted_cross_entropy(logits, targets, weights, label_smoothing)


def weighed(loss, logits, targets, weights=None):
    """A recipe's loss, with the weights of its classes where there are some.

    Arguments
    ---------
    loss : callable
        Takes logits and soft targets, and ``weights`` if there are any.
    logits, targets, weights
        As for ``weighted_cross_entropy``.

    Returns
    -------
    torch.Tensor
        A scalar.

    Example
    -------
    >>> weighed(binary_cross_entropy, torch.zeros(2, 2), torch.eye(2))
    tensor(0.6931)
    """
    if weights is None:
        return loss(logits, targets)
    if "weights" not in inspect.signature(loss).parameters:
        raise InputError(
            "balance: this loss takes no weights of classes: draw them equally "
            "often, or loss: !name:speechbrain_petl.weighted_cross_entropy"
        )
    return loss(logits, targets, weights=weights)
