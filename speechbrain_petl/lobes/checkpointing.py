"""Gradient checkpointing of a stack of layers, whatever wraps it."""

from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import InputError


def check_level(value, *more):
    """Refuse a ``gradient_checkpointing`` that an encoder does not know.

    It is True, False or one of ``more``.

    Example
    -------
    >>> check_level(True)
    True
    """
    if value not in (True, False, *more):
        known = " nor ".join(["True", "False", *more])
        raise InputError(
            f"gradient_checkpointing={value!r} is neither {known}, all that "
            "this encoder knows"
        )
    return value


def checkpointed(layers, x, run=nn.Module.__call__):
    """Run a stack of layers and keep no activations inside them.

    Arguments
    ---------
    layers : torch.nn.Module
        The stack; a wrapper of one is checkpointed as a whole.
    x : torch.Tensor
        Tokens (batch, token, dim).
    run : callable
        Takes layers, or one of them, and tokens; returns tokens.

    Returns
    -------
    torch.Tensor
        Of the same shape.

    Example
    -------
    >>> import torch
    >>> layers = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 32))
    >>> x = torch.randn(3, 10, 32)
    >>> checkpointed(layers, x).shape
    torch.Size([3, 10, 32])
    """
    stack = isinstance(layers, (nn.Sequential, nn.ModuleList))
    for layer in layers if stack else [layers]:
        x = checkpoint(run, layer, x, use_reentrant=False)
    return x
