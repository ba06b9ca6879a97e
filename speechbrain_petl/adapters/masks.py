"""Which tokens are padding, and masks that grow with learned tokens.

Blocks take (batch, token, dim) and nothing else. An encoder that takes clips
of different lengths runs its layers inside ``padding_mask(mask)``; a block that
mixes tokens asks ``mask_of``, or runs through ``apart``. Without that
context no token is padding, and nothing is computed for it.
"""

import threading
from contextlib import contextmanager
from functools import partial

import torch
from torch.nn import functional as F

from speechbrain.dataio.dataio import length_to_mask

# tokens of each clip (batch,), tokens in all -> True where there is one
token_mask = partial(length_to_mask, dtype=torch.bool)


class _Now(threading.local):
    """One mask for each thread; torch.compile refuses to set a ContextVar."""

    mask = None


_NOW = _Now()


@contextmanager
def padding_mask(mask):
    """Tell the blocks inside which tokens are no padding.

    Arguments
    ---------
    mask : torch.Tensor or None
        True where a clip has a token (batch, token); None for everywhere.
        Tokens that a sequence has beyond these are learned ones, and seen.

    Example
    -------
    >>> x = torch.randn(2, 5, 32)
    >>> with padding_mask(torch.arange(4) < torch.tensor([[4], [2]])):
    ...     mask_of(x)
    tensor([[ True,  True,  True,  True,  True],
            [ True,  True, False, False,  True]])
    """
    before, _NOW.mask = _NOW.mask, mask
    try:
        yield
    finally:
        _NOW.mask = before


def mask_of(x):
    """Which tokens of a batch are no padding.

    Arguments
    ---------
    x : torch.Tensor
        Tokens (batch, token, dim).

    Returns
    -------
    torch.Tensor or None
        True where a clip has a token (batch, token); None for everywhere.
    """
    mask = _NOW.mask
    if mask is None:
        return None
    return F.pad(mask, (0, x.shape[1] - mask.shape[1]), value=True)


def causal_mask(x):
    """Where a decoder's tokens may look: back, at themselves, at learned ones.

    Learned tokens see each other alone, so that nothing that follows a token
    reaches it by way of them.

    Arguments
    ---------
    x : torch.Tensor
        Tokens (batch, token, dim).

    Returns
    -------
    torch.Tensor
        True where the first may see the second (token, token).

    Example
    -------
    >>> with padding_mask(torch.ones(1, 2, dtype=torch.bool)):
    ...     causal_mask(torch.zeros(1, 3, 8)).int()
    tensor([[1, 0, 1],
            [1, 1, 1],
            [0, 0, 1]], dtype=torch.int32)
    """
    length = x.shape[1]
    own = length if _NOW.mask is None else _NOW.mask.shape[1]
    at = torch.arange(length, device=x.device)
    learned = at >= own
    back = (at <= at.unsqueeze(1)) & ~learned.unsqueeze(1)
    return back | learned


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
    >>> with padding_mask(torch.tensor([[True, False]])):
    ...     apart(mix, torch.ones(1, 4, 1)).flatten()
    tensor([1., 1., 1., 2.])
    """
    mask = _NOW.mask
    if mask is None:
        return mix(x)
    tokens, learned = x.tensor_split([mask.shape[1]], dim=1)
    y = mix(tokens.masked_fill(~mask.unsqueeze(2), 0))
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
