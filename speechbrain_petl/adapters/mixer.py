"""TokenMixer, a bottleneck that mixes along time, and Shared, to share it.

Sharing the projections of all layers follows https://arxiv.org/abs/2310.06234;
that the bottleneck of an audio adapter should mix tokens,
https://arxiv.org/abs/2312.03694.
"""

from torch import nn

from .blocks import activation_of, zero_linear
from .convolution import Depthwise
from .masks import apart


class TokenMixer(nn.Module):
    """A bottleneck with long filters along time: U act(h + conv(h)), h = D x.

    With D and U shared by all layers (``Shared``), each layer has only the
    filters of its own: 74,544 parameters and 1,536 per layer for width 48,
    kernel 31 and dim 768, 92,976 in 12 layers.

    Arguments
    ---------
    dim, width, activation
        As for ``Bottleneck``.
    kernel : int
        Tokens that each filter spans, odd or even.

    Example
    -------
    >>> import torch
    >>> TokenMixer(32, width=4)(torch.randn(3, 40, 32)).shape
    torch.Size([3, 40, 32])
    """

    def __init__(self, dim, width=48, kernel=31, activation="gelu"):
        super().__init__()
        self.down = nn.Linear(dim, width)
        self.filters = Depthwise(width, kernel)
        self.activation = activation_of(activation)
        self.up = zero_linear(width, dim)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        h = self.down(x)
        return self.up(self.activation(h + apart(self.filters, h)))


class Shared:
    """Makes blocks that have some of their parts in common.

    One for all the sites of an encoder: ``!new:`` in the yaml file, where
    the block itself is ``!name:``. Another encoder gets parts of its own. A
    checkpoint holds the parts once per site, all equal.

    Arguments
    ---------
    block : callable
        Takes ``dim`` and returns a block.
    parts : list of str
        Names of the block's modules that are common to all sites.

    Example
    -------
    >>> mixer = Shared(TokenMixer, parts=["down", "up"])
    >>> first, second = mixer(dim=32), mixer(dim=32)
    >>> first.up is second.up, first.filters is second.filters
    (True, False)
    """

    def __init__(self, block, parts):
        self.block = block
        self.parts = parts
        self.first = {}

    def begin(self):
        """The sites of another encoder follow."""
        self.first = {}

    def __call__(self, dim):
        """One more block; sites of different widths share nothing."""
        block = self.block(dim=dim)
        first = self.first.setdefault(dim, block)
        for part in self.parts:
            setattr(block, part, getattr(first, part))
        return block
