"""Attention masks for a sequence that has grown by learned tokens."""

import torch
from torch.nn import functional as F


def pad_masks(args, kwargs, length, count):
    """Let the masks among a module's arguments admit more tokens at the end.

    Arguments
    ---------
    args : tuple
        Positional arguments; a mask is a tensor whose last dimension is the
        length of the sequence.
    kwargs : dict
        Arguments by name.
    length : int
        Tokens in the sequence.
    count : int
        Tokens that follow; none of them is masked.

    Returns
    -------
    tuple
        The new (args, kwargs)

    Example
    -------
    >>> mask = torch.ones(2, 1, 10, 10, dtype=torch.bool)
    >>> pad_masks((mask,), {}, length=10, count=5)[0][0].shape
    torch.Size([2, 1, 15, 15])
    """
    args = tuple(_padded(a, length, count) for a in args)
    return args, {n: _padded(a, length, count) for n, a in kwargs.items()}


def _padded(mask, length, count):
    if not (torch.is_tensor(mask) and mask.dim() and mask.shape[-1] == length):
        return mask
    # keys, and queries unless one row holds for all of them
    pad = [0, count]
    if mask.dim() > 2 and mask.shape[-2] == length:
        pad += [0, count]
    # masks are added to the scores, or say which keys may be seen
    return F.pad(mask, pad, value=0 if mask.is_floating_point() else 1)
