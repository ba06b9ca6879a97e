"""What is cheap to compute again need not be kept for the gradient."""

from contextlib import contextmanager

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from .attention import runs_on_cpu


@contextmanager
def normalised(norm, x):
    """The output of a LayerNorm, which the graph inside does not keep.

    A frozen LayerNorm keeps its input, an adapter its own input, which is the
    same normalised: so the latter is computed anew in the backward pass.

    Arguments
    ---------
    norm : torch.nn.Module
        A LayerNorm; any other module is called and no more.
    x : torch.Tensor
        Its input.

    Yields
    ------
    torch.Tensor
        Its output.

    Example
    -------
    >>> x = torch.randn(2, 10, 32, requires_grad=True)
    >>> with normalised(nn.LayerNorm(32), x) as y:
    ...     nn.Linear(32, 8)(y).shape
    torch.Size([2, 10, 8])
    """
    y = norm(x)
    if (
        type(norm) is not nn.LayerNorm
        or not torch.is_grad_enabled()
        or y.dtype != x.dtype
        or torch.is_autocast_enabled(x.device.type)
        or not runs_on_cpu(x)
    ):
        yield y
        return
    place, count, x = y.data_ptr(), y.numel(), x.detach()

    def _pack(tensor):
        same = tensor.data_ptr() == place and tensor.numel() == count
        return tensor.shape if same and tensor.is_contiguous() else tensor

    def _unpack(kept):
        if isinstance(kept, torch.Tensor):
            return kept
        with torch.no_grad():
            return norm(x).view(kept)

    with saved_tensors_hooks(_pack, _unpack):
        yield y
