"""Position tables of the AST for another input length or another stride.

A length is changed by the rule of the original AST, crop or interpolate
(https://arxiv.org/abs/2104.01778); a stride by sampling the table where the
new patches lie, which the original gets wrong.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from ..lobes.ast import PATCH
from ..lobes.sizes import CLASS_TOKENS


class Axis(NamedTuple):
    """One axis of a spectrogram, cut into patches.

    Arguments
    ---------
    length : int
        Length of the input, in mels or frames.
    stride : int
        From one patch to the next, in the same unit.

    Example
    -------
    >>> Axis(length=1024, stride=10).patches
    101
    """

    length: int
    stride: int

    @property
    def patches(self):
        """How many patches fit."""
        return (self.length - PATCH) // self.stride + 1


def axes_of(encoder):
    """The mel axis and the frame axis that an AST was built for.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> axes_of(AST((32, 1, 2), frames=100))
    (Axis(length=128, stride=10), Axis(length=100, stride=10))
    """
    frames, mels = encoder.input_shape
    fstride, tstride = encoder.strides
    return Axis(mels, fstride), Axis(frames, tstride)


def square_axes(patches, like):
    """Axes of a square image, whose patches are nowhere in time.

    Arguments
    ---------
    patches : int
        Number of patches along each side of the image.
    like : tuple of Axis
        Axes whose strides are taken over, so that only the rule for the
        length applies, as in the original.

    Returns
    -------
    tuple of Axis
        The vertical and the horizontal axis.

    Example
    -------
    >>> audioset = Axis(128, 10), Axis(1024, 10)
    >>> [axis.patches for axis in square_axes(24, audioset)]
    [24, 24]
    """
    return tuple(
        Axis(PATCH + (patches - 1) * axis.stride, axis.stride) for axis in like
    )


def resize_positions(table, old, new):
    """Position embeddings for other axes; the class tokens keep theirs.

    Arguments
    ---------
    table : torch.Tensor
        Position embeddings (1, token, dim), the class tokens first.
    old : tuple of Axis
        The mel axis and the frame axis of the table.
    new : tuple of Axis
        Those of the result.

    Returns
    -------
    torch.Tensor
        Position embeddings (1, token, dim) in single precision.

    Example
    -------
    >>> audioset = Axis(128, 10), Axis(1024, 10)
    >>> esc50 = Axis(128, 10), Axis(500, 10)
    >>> resize_positions(torch.randn(1, 1214, 32), audioset, esc50).shape
    torch.Size([1, 590, 32])
    """
    # in double precision every machine rounds to the same result, so that an
    # adapter can name the weights it belongs to by their hash
    table = table.double()
    first, rest = table[:, :CLASS_TOKENS], table[:, CLASS_TOKENS:]
    grid = rest.unflatten(1, [axis.patches for axis in old])
    grid = grid.permute(0, 3, 1, 2)  # (1, dim, mel, frame)
    # frames before mels, because the original interpolates in that order
    for dim, before, after in zip((3, 2), reversed(old), reversed(new)):
        same_stride = Axis(after.length, before.stride)
        grid = _change_length(grid, dim, before.patches, same_stride.patches)
        if after.stride != before.stride:
            at = torch.arange(after.patches).double()
            at = at * after.stride / before.stride
            grid = _sample(grid, dim, at)
    table = torch.cat([first, grid.flatten(2).transpose(1, 2)], dim=1)
    return table.float()


def _change_length(grid, dim, old, new):
    """The rule of the original AST for one axis of (1, dim, mel, frame)."""
    if new <= old:
        return grid.narrow(dim, old // 2 - new // 2, new)
    size = list(grid.shape[2:])
    size[dim - 2] = new
    return F.interpolate(grid, size=size, mode="bilinear", align_corners=False)


def _sample(grid, dim, at):
    """Read one axis of (1, dim, mel, frame) at fractional patch numbers."""
    last = grid.shape[dim] - 1
    # the last new patch may lie up to one old stride beyond the last old one
    at = at.clamp(max=last)
    left = at.floor().long()
    weight = at - left
    return torch.lerp(
        grid.index_select(dim, left),
        grid.index_select(dim, (left + 1).clamp(max=last)),
        weight[:, None] if dim == 2 else weight,
    )
