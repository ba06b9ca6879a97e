"""VeRA: one random product for all layers, two trained vectors for each.

Proposed in https://arxiv.org/abs/2310.11454.
"""

import numpy
import torch
from torch import nn
from torch.nn import functional as F

from .parts import thirds
from .widths import linear


class VeRA(nn.Module):
    """A Linear plus W x + b * B (d * A x), of which b and d are trained.

    A and B are random, and the same for all layers of one shape: a seed tells
    them, on every machine, and no file holds them. b starts at zero, so the
    wrapped layer starts as it was. https://arxiv.org/abs/2310.11454

    Arguments
    ---------
    target_module : torch.nn.Linear
        The pretrained layer.
    rank : int
        Width of the product.
    first : float
        What d starts at.
    parts : str, optional
        As for LoRA; each part has a b and a d of its own.
    seed : int
        Of A and B.

    Example
    -------
    >>> qkv = VeRA(nn.Linear(32, 96), rank=16, parts="qv")
    >>> qkv(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 96])
    """

    def __init__(self, target_module, rank=256, first=0.1, parts=None, seed=0):
        super().__init__()
        owner = type(self).__name__
        self.pretrained_module = linear(target_module, owner)
        self.in_features = target_module.in_features
        self.out_features = target_module.out_features
        self.starts, width = thirds(parts, target_module, owner)
        weight, count = target_module.weight, len(self.starts)
        for name, shape in {
            "down": (rank, self.in_features),
            "up": (width, rank),
        }.items():
            drawn = _drawn(name, shape, seed).to(weight)
            self.register_buffer(name, drawn, persistent=False)
        self.inner = nn.Parameter(weight.new_full((count, rank), first))
        self.outer = nn.Parameter(weight.new_zeros(count, width))

    @property
    def weight(self):
        """The adapted weight (out_features, in_features)."""
        updates = [
            outer.unsqueeze(1) * (self.up * inner) @ self.down
            for outer, inner in zip(self.outer, self.inner)
        ]
        return self.pretrained_module.weight + self._placed(updates, dim=0)

    @property
    def bias(self):
        """The pretrained bias (out_features,), or None."""
        return self.pretrained_module.bias

    def forward(self, x):
        """Inputs (*, in_features) to (*, out_features)."""
        y = self.pretrained_module(x)
        low = F.linear(x, self.down)
        updates = [
            F.linear(low * inner, self.up * outer.unsqueeze(1))
            for outer, inner in zip(self.outer, self.inner)
        ]
        return y + self._placed(updates, dim=-1).to(y.dtype)

    def _placed(self, updates, dim):
        """The updates of the parts side by side, zero for those left alone."""
        width = self.up.shape[0]
        if len(updates) * width == self.out_features:
            return torch.cat(updates, dim)
        zero, parts = (
            torch.zeros_like(updates[0]),
            dict(zip(self.starts, updates)),
        )
        starts = range(0, self.out_features, width)
        return torch.cat([parts.get(start, zero) for start in starts], dim)

    @torch.no_grad()
    def merge(self):
        """Fold the update into the pretrained layer, and return that."""
        self.pretrained_module.weight.copy_(self.weight)
        return self.pretrained_module


def _drawn(name, shape, seed):
    """A random matrix, uniform up to the root of what it sums over."""
    # of this generator NumPy promises the same numbers for ever
    random = numpy.random.RandomState([seed, *name.encode()])
    bound = shape[1] ** -0.5
    values = random.uniform(-bound, bound, shape).astype(numpy.float32)
    return torch.from_numpy(values)
