"""Which tokens are padding, and masks that grow with learned tokens.

Blocks take (batch, token, dim) and nothing else. An encoder that takes clips
of different lengths runs its layers inside ``padding(valid)``; a block that
mixes tokens asks ``valid_tokens``, or runs through ``apart``. Without that
context no token is padding, and nothing is computed for it.
"""

from contextlib import contextmanager

import torch
from torch.nn import functional as F


class _Now:
    """What torch.compile can follow; it refuses to set a ContextVar."""

    def __init__(self):
        self.valid = None


_NOW = _Now()


@contextmanager
def padding(valid):
    """Tell the blocks inside which tokens are no padding.

    Arguments
    ---------
    valid : torch.Tensor or None
        True where a clip has a token (batch, token); None for everywhere.
        Tokens that a sequence has beyond these are learned ones, and valid.

    Example
    -------
    >>> x = torch.randn(2, 5, 32)
    >>> with padding(torch.arange(4) < torch.tensor([[4], [2]])):
    ...     valid_tokens(x)
    tensor([[ True,  True,  True,  True,  True],
            [ True,  True, False, False,  True]])
    """
    before, _NOW.valid = _NOW.valid, valid
    try:
        yield
    finally:
        _NOW.valid = before


def valid_tokens(x):
    """Which tokens of a batch are no padding.

    Arguments
    ---------
    x : torch.Tensor
        Tokens (batch, token, dim).

    Returns
    -------
    torch.Tensor or None
        True where a token is valid (batch, token); None if all are.
    """
    valid = _NOW.valid
    if valid is None:
        return None
    return F.pad(valid, (0, x.shape[1] - valid.shape[1]), value=True)


def apart(mix, x):
    """Mix neighbouring tokens as if each clip was alone in the batch.

    Padding becomes zero, which is what a convolution sees behind the end of
    a clip; learned tokens, which follow it, are mixed among themselves.

    Arguments
    ---------
    mix : callable
        (batch, token, dim) -> same, a convolution that pads with zeros.
    x : torch.Tensor
        Tokens (batch, token, dim).

    Returns
    -------
    torch.Tensor
        Of the same shape.

    Example
    -------
    >>> from functools import partial
    >>> mix = partial(torch.cumsum, dim=1)
    >>> with padding(torch.tensor([[True, False]])):
    ...     apart(mix, torch.ones(1, 4, 1)).flatten()
    tensor([1., 1., 1., 2.])
    """
    valid = _NOW.valid
    if valid is None:
        return mix(x)
    tokens, learned = x.tensor_split([valid.shape[1]], dim=1)
    y = mix(tokens.masked_fill(~valid.unsqueeze(2), 0))
    return torch.cat([y, mix(learned)], dim=1) if learned.shape[1] else y


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
    # masks are added to the scores, or say which keys may be seen
    value = 0 if mask.is_floating_point() else 1
    rows = F.pad(mask, (0, count), value=value)
    if mask.dim() < 3 or mask.shape[-2] != length:
        return rows  # one row holds for all queries
    # learned tokens see what the last one sees: no padding
    last = rows[..., -1:, :].expand(*rows.shape[:-2], count, -1)
    return torch.cat([rows, last], dim=-2)
