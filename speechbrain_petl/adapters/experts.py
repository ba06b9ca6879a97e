"""The experts of a mixture, as one batch where they are Bottlenecks."""

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from .blocks import Bottleneck


class Experts(nn.ModuleList):
    """Blocks of any kind, run one after the other.

    Arguments
    ---------
    blocks : list of torch.nn.Module
        The experts.

    Example
    -------
    >>> experts = Experts([Bottleneck(32, width=4) for _ in range(3)])
    >>> experts(torch.randn(2, 3, 5, 32)).shape
    torch.Size([2, 3, 5, 32])
    """

    def forward(self, x):
        """Tokens (batch, expert, slot, dim), each through its expert."""
        parts = x.unbind(1)
        return torch.stack([e(part) for e, part in zip(self, parts)], dim=1)

    def mixed(self, x, weights):
        """The weighted sum of all experts on all tokens.

        ``x`` is (batch, token, dim), ``weights`` (batch, token, expert).
        """
        outputs = torch.stack([expert(x) for expert in self], dim=-1)
        return (outputs @ weights.unsqueeze(-1)).squeeze(-1)


class BottleneckExperts(nn.Module):
    """Bottlenecks of one shape, run as one batch, their parameters stacked.

    Arguments
    ---------
    blocks : list of Bottleneck
        The experts.

    Example
    -------
    >>> blocks = [Bottleneck(32, width=4) for _ in range(3)]
    >>> BottleneckExperts(blocks)(torch.randn(2, 3, 5, 32)).shape
    torch.Size([2, 3, 5, 32])
    """

    def __init__(self, blocks):
        super().__init__()
        self.activation = blocks[0].activation
        self.down = _stacked([b.down.weight for b in blocks])
        self.down_bias = _stacked([b.down.bias for b in blocks])
        # transposed, (expert, width, dim): no copy is needed below
        self.up = _stacked([b.up.weight.t() for b in blocks])
        self.up_bias = _stacked([b.up.bias for b in blocks])

    def forward(self, x):
        """As ``Experts.forward``."""
        batch = len(x)
        x = x.transpose(0, 1).flatten(1, 2)  # (expert, batch * slot, dim)
        down = self.down.transpose(1, 2)
        h = torch.baddbmm(self.down_bias.unsqueeze(1), x, down)
        h = self.activation(h)
        y = torch.baddbmm(self.up_bias.unsqueeze(1), h, self.up)
        return y.unflatten(1, (batch, -1)).transpose(0, 1)

    def mixed(self, x, weights):
        """As ``Experts.mixed``, in two products.

        The weights are applied between the projections, where the experts
        are narrow.
        """
        h = F.linear(x, self.down.flatten(0, 1), self.down_bias.flatten())
        h = self.activation(h).unflatten(-1, self.down.shape[:2])
        h = (h * weights.unsqueeze(-1)).flatten(-2)
        return h @ self.up.flatten(0, 1) + weights @ self.up_bias


def _stacked(tensors):
    return nn.Parameter(torch.stack(tensors).detach())


def make_experts(expert, count, dim):
    """Build the experts of a mixture.

    Arguments
    ---------
    expert : callable
        Takes ``dim`` and returns a block.
    count : int
        How many.
    dim : int
        Width of the tokens.

    Returns
    -------
    Experts or BottleneckExperts
        The faster of the two that fits.

    Example
    -------
    >>> make_experts(Bottleneck, 3, dim=32).down.shape
    torch.Size([3, 12, 32])
    """
    if count < 2:
        raise InputError(
            f"experts={count}: a mixture needs at least 2, and for one the "
            "block itself does."
        )
    blocks = [expert(dim=dim) for _ in range(count)]
    if all(type(block) is Bottleneck for block in blocks):
        return BottleneckExperts(blocks)
    return Experts(blocks)
