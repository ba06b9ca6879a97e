"""Bottleneck, the plain block (https://arxiv.org/abs/1902.00751).

A block takes (batch, token, dim) to the same, and an Adapter says where. Each
ends in an up-projection that starts at zero, and only that one does: were the
down-projection zero too, nothing but the last bias could ever move.
"""

import torch
from torch import nn

from ..errors import check_choice


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x), https://arxiv.org/abs/1606.08415.

    Example
    -------
    >>> QuickGELU()(torch.ones(1))
    tensor([0.8458])
    """

    def forward(self, x):
        """Anything to the same shape."""
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {
    "gelu": nn.GELU,
    "quick_gelu": QuickGELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}


class Bottleneck(nn.Module):
    """Down, activation, up: U act(D x), https://arxiv.org/abs/1902.00751.

    19,212 parameters for width 12 and dim 768.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    width : int
        Width between the projections.
    activation : str
        One of ACTIVATIONS.

    Example
    -------
    >>> Bottleneck(32, width=4)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, width=12, activation="gelu"):
        super().__init__()
        self.down = nn.Linear(dim, width)
        self.activation = activation_of(activation)
        self.up = zero_linear(width, dim)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape, each by itself."""
        return self.up(self.activation(self.down(x)))


def activation_of(name):
    """An activation by its name, one of ACTIVATIONS.

    Example
    -------
    >>> activation_of("relu")
    ReLU()
    """
    check_choice("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


def zero_linear(width, dim):
    """The up-projection that makes a block start at zero.

    Example
    -------
    >>> zero_linear(4, 32).weight.count_nonzero().item()
    0
    """
    linear = nn.Linear(width, dim)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
