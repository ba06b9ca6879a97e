"""SSF, scaling and shifting features (https://arxiv.org/abs/2210.08823)."""

import torch
from torch import nn

from .sites import device_and_dtype, on_first
from .widths import output_width_of


class SSF(nn.Module):
    """A module whose output is scaled and shifted: s * f(x) + t.

    In https://arxiv.org/abs/2210.08823 it follows every LayerNorm and
    Linear, into which it can be merged.

    Arguments
    ---------
    target_module : torch.nn.Module
        The pretrained module, whose output is (..., dim). If it returns a
        tuple, the first element is adapted.
    dim : int, optional
        Width of the output, if the module does not tell it.

    Example
    -------
    >>> SSF(nn.LayerNorm(32))(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 32])
    """

    def __init__(self, target_module, dim=None):
        super().__init__()
        self.pretrained_module = target_module
        if hasattr(target_module, "out_features"):
            self.in_features = target_module.in_features
            self.out_features = dim = target_module.out_features
        dim = dim or output_width_of(target_module)
        factory_kwargs = device_and_dtype(target_module)
        self.scale = nn.Parameter(torch.ones(dim, **factory_kwargs))
        self.shift = nn.Parameter(torch.zeros(dim, **factory_kwargs))

    @property
    def weight(self):
        """The scaled weight of a Linear or a LayerNorm."""
        weight = self.pretrained_module.weight
        return (weight.t() * self.scale).t()

    @property
    def bias(self):
        """The scaled and shifted bias of a Linear or a LayerNorm (dim,)."""
        bias = self.pretrained_module.bias
        return self.shift if bias is None else bias * self.scale + self.shift

    def forward(self, x, *args, **kwargs):
        """What the module returns, scaled and shifted."""
        y = self.pretrained_module(x, *args, **kwargs)
        return on_first(y, lambda y: (y * self.scale + self.shift).to(y.dtype))

    @torch.no_grad()
    def merge(self):
        """Fold scale and shift into a Linear or a LayerNorm, and return that.

        Of a module that has no weight of its own, the wrapper is returned.
        """
        module = self.pretrained_module
        if not isinstance(module, (nn.Linear, nn.LayerNorm)):
            return self
        weight, bias = self.weight, self.bias
        module.weight.copy_(weight)
        module.bias = nn.Parameter(bias.detach(), requires_grad=False)
        return module
