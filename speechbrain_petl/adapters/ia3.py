"""(IA)^3, learned scales of keys, values and hidden features.

Proposed in https://arxiv.org/abs/2205.05638.
"""

import torch
from torch import nn

from ..errors import InputError
from .parts import spread, thirds
from .sites import device_and_dtype
from .widths import linear


class IA3(nn.Module):
    """A Linear with a learned scale per output, or per input.

    Outputs: s * (W x + b), for keys and values. Inputs: W (s * x) + b, for
    the second layer of a feed-forward, whose hidden features it scales
    (https://arxiv.org/abs/2205.05638).

    Arguments
    ---------
    target_module : torch.nn.Linear
        The pretrained layer.
    parts : str, optional
        For a fused qkv layer, which thirds of its output are scaled.
    side : str
        "output" or "input".

    Example
    -------
    >>> qkv = IA3(nn.Linear(32, 96), parts="kv")
    >>> qkv(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 96])
    >>> qkv.scale.shape
    torch.Size([2, 32])
    """

    def __init__(self, target_module, parts=None, side="output"):
        super().__init__()
        if side not in ("output", "input") or (side == "input" and parts):
            raise InputError(
                f"IA3: side={side!r} with parts={parts!r}: `side` is output or "
                "input, and only outputs have parts."
            )
        self.pretrained_module = linear(target_module, "IA3")
        self.in_features = target_module.in_features
        self.out_features = target_module.out_features
        self.side = side
        self.starts, width = thirds(parts, target_module, "IA3")
        if side == "input":
            width = self.in_features
        shape = (len(self.starts), width)
        self.scale = nn.Parameter(
            torch.ones(shape, **device_and_dtype(target_module))
        )

    @property
    def weight(self):
        """The scaled weight (out_features, in_features)."""
        weight = self.pretrained_module.weight
        if self.side == "input":
            return weight * self.scale
        return weight * self._outputs().unsqueeze(1)

    @property
    def bias(self):
        """The scaled bias (out_features,), or None."""
        bias = self.pretrained_module.bias
        if bias is None or self.side == "input":
            return bias
        return bias * self._outputs()

    def forward(self, x):
        """Inputs (*, in_features) to (*, out_features)."""
        if self.side == "input":
            return self.pretrained_module((x * self.scale[0]).to(x.dtype))
        y = self.pretrained_module(x)
        return (y * self._outputs()).to(y.dtype)

    def _outputs(self):
        """The scale of every output, 1 for the parts left alone."""
        return spread(self.scale, self.starts, self.out_features)

    @torch.no_grad()
    def merge(self):
        """Fold the scale into the pretrained layer, and return that."""
        linear, bias = self.pretrained_module, self.bias
        linear.weight.copy_(self.weight)
        if bias is not None:
            linear.bias.copy_(bias)
        return linear
