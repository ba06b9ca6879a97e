"""Gradient checkpointing of a stack of layers, whatever wraps it."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from ..errors import InputError

SELECTIVE = "selective"
WIDER = 4  # times: what the first layer of a feed-forward makes of tokens


def check_level(value):
    """Refuse a ``gradient_checkpointing`` that is no level of it.

    It is True, False or "selective".

    Example
    -------
    >>> check_level(True)
    True
    """
    if value == "mlp":  # what saved least time in version 0.1
        return SELECTIVE
    if value not in (True, False, SELECTIVE):
        raise InputError(
            f"gradient_checkpointing={value!r} is neither True, False nor "
            f"{SELECTIVE}"
        )
    return value


def checkpointed(layers, x, run=nn.Module.__call__, level=True):
    """Run a stack of layers and keep no activations inside them.

    Arguments
    ---------
    layers : torch.nn.Module
        The stack. A wrapper of one runs as it is: as a whole, all its
        activations would be there again at once.
    x : torch.Tensor
        Tokens (batch, token, dim).
    run : callable
        Takes layers, or one of them, and tokens; returns tokens.
    level : bool or str
        True, or "selective": keep what attention and the first layer of each
        feed-forward return, half of a layer's work.

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
    if not isinstance(layers, (nn.Sequential, nn.ModuleList)):
        return run(layers, x)
    options = {"use_reentrant": False}
    if level == SELECTIVE:
        options["context_fn"] = partial(
            create_selective_checkpoint_contexts, partial(_policy, x.shape[-1])
        )
    for layer in layers:
        # nothing is kept anyway below what learns
        learns = x.requires_grad or any(
            p.requires_grad for p in layer.parameters()
        )
        x = checkpoint(run, layer, x, **options) if learns else run(layer, x)
    return x


def _policy(dim, context, operation, *args, **kwargs):
    """What is dear to compute again, and that nobody changes in place.

    Not what an adapter makes of a few numbers.
    """
    name = str(operation)
    kept = "scaled_dot_product" in name
    if name in ("aten.addmm.default", "aten.mm.default"):
        inputs, outputs = args[-1].shape
        kept = inputs == dim and outputs >= WIDER * dim
    if kept:
        return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE
