"""LookAside, an adapter that convolves along time or frequency.

After the Look-Aside Adapter of https://arxiv.org/abs/2412.05951.
"""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError, check_choice
from .blocks import activation_of
from .grid import Grid
from .masks import apart

AXES = {"frequency": 1, "time": 2}  # of (batch, row, column, dim)


class LookAside(nn.Module):
    """A bottleneck whose projections see neighbours on one axis: U * act(D * x).

    The Linears of an adapter are convolutions along the time or the frequency
    of the patches, as in https://arxiv.org/abs/2412.05951; class tokens see
    themselves. Without ``rows`` the sequence is time. 19,204 parameters for
    width 4, kernel 3 and dim 768.

    Arguments
    ---------
    dim, width, activation
        As for ``Bottleneck``.
    axis : str
        "time" or "frequency".
    kernel : int
        Patches that each convolution spans; odd.
    rows, class_tokens, by_time
        As for ``Convpass``; frequency needs rows.

    Example
    -------
    >>> block = LookAside(32, width=4, axis="frequency", rows=12)
    >>> block(torch.randn(3, 110, 32)).shape
    torch.Size([3, 110, 32])
    """

    def __init__(
        self,
        dim,
        width=4,
        axis="time",
        kernel=3,
        rows=None,
        class_tokens=2,
        activation="gelu",
        by_time=False,
    ):
        super().__init__()
        check_choice("LookAside: axis", axis, AXES)
        if axis == "frequency" and rows is None:
            raise InputError(
                "LookAside: axis='frequency' needs the rows of the grid: set "
                "rows, 12 for 128 mels and a stride of 10, or axis: time"
            )
        if kernel % 2 == 0:
            raise InputError(f"LookAside: kernel={kernel} is even: make it odd")
        self.axis = axis
        self.grid = Grid(rows, class_tokens, by_time) if rows else None
        self.down = nn.Conv1d(dim, width, kernel)
        self.activation = activation_of(activation)
        self.up = nn.Conv1d(width, dim, kernel)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        h = self.activation(self._convolve(partial(_narrow, self.down), x))
        return self._convolve(partial(_widen, self.up), h)

    def _convolve(self, convolution, x):
        """Along the axis of the grid, or along the sequence."""
        if self.grid is None:
            return apart(partial(_along, convolution), x)
        first, patches = self.grid.split(x, "LookAside")
        patches = convolution(patches, AXES[self.axis])
        # a grid of one patch each: neighbours are zero
        alone = convolution(first.flatten(0, 1)[:, None, None], 1)
        return self.grid.join(
            alone.view(first.shape[:2] + alone.shape[-1:]), patches
        )


def _along(convolve, x):
    return convolve(x.unsqueeze(1), 2).squeeze(1)


def _narrow(convolution, x, axis):
    """A convolution to few channels: project to all taps, then shift them."""
    width, _, kernel = convolution.weight.shape
    taps = F.linear(x, convolution.weight.permute(2, 0, 1).flatten(0, 1))
    taps = taps.unflatten(-1, (kernel, width)).unbind(-2)
    shifted = [_moved(tap, i - kernel // 2, axis) for i, tap in enumerate(taps)]
    return sum(shifted) + convolution.bias.to(taps[0].dtype)


def _widen(convolution, x, axis):
    """A convolution of few channels: shift them to all taps, then project."""
    kernel = convolution.weight.shape[2]
    taps = [_moved(x, i - kernel // 2, axis) for i in range(kernel)]
    weight = convolution.weight.transpose(1, 2).flatten(1)
    return F.linear(torch.cat(taps, dim=-1), weight, convolution.bias)


def _moved(x, steps, axis):
    """x[t + steps] at t along an axis, zero beyond the ends."""
    size = x.shape[axis]
    if abs(steps) >= size:
        return torch.zeros_like(x)
    part = x.narrow(axis, max(steps, 0), size - abs(steps))
    ends = [0, 0] * (x.dim() - 1 - axis)
    return F.pad(part, [*ends, max(-steps, 0), max(steps, 0)])
