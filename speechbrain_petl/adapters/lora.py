"""LoRA, low-rank updates of linear layers (https://arxiv.org/abs/2106.09685).

The trainable part of W x + (alpha / rank) B A x, for a Linear or for named
parts of a fused qkv projection.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError


class LoRA(nn.Module):
    """A Linear plus a trainable low-rank product: W x + (alpha/rank) B A x.

    B starts at zero, so the wrapped layer starts as it was. Proposed in
    https://arxiv.org/abs/2106.09685.

    Arguments
    ---------
    target_module : torch.nn.Linear
        The pretrained layer.
    rank : int
        Width of the product.
    alpha : float
        The update is scaled by alpha / rank.
    parts : str, optional
        For a fused qkv layer, which of its thirds are adapted, each with a
        product of its own: any of the letters of "qkv". By default the
        layer is taken as one.
    dropout : float
        Dropout on the input of the update.

    Example
    -------
    >>> qkv = LoRA(nn.Linear(32, 96), rank=4, parts="qv")
    >>> qkv(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 96])
    """

    def __init__(
        self, target_module, rank=6, alpha=16.0, parts=None, dropout=0.0
    ):
        super().__init__()
        self.pretrained_module = target_module
        self.in_features = target_module.in_features
        self.out_features = target_module.out_features
        self.scale = alpha / rank
        self.starts, width = _thirds(parts, self.out_features)
        weight = target_module.weight
        count = len(self.starts)
        self.down = nn.Parameter(weight.new_empty(count, rank, weight.shape[1]))
        self.up = nn.Parameter(weight.new_zeros(count, width, rank))
        for down in self.down:
            nn.init.kaiming_uniform_(down, a=math.sqrt(5))
        self.dropout = nn.Dropout(dropout)

    @property
    def weight(self):
        """The adapted weight (out_features, in_features).

        Returns
        -------
        torch.Tensor
            What a plain Linear would need to compute the same.
        """
        weight = self.pretrained_module.weight
        delta = torch.zeros_like(weight)
        for start, product in zip(self.starts, self.up @ self.down):
            delta[start : start + len(product)] = product
        return weight + self.scale * delta

    @property
    def bias(self):
        """The pretrained bias.

        Returns
        -------
        torch.nn.Parameter
            Of shape (out_features,), or None.
        """
        return self.pretrained_module.bias

    def forward(self, x):
        """The adapted projection.

        Arguments
        ---------
        x : torch.Tensor
            Input (..., in_features).

        Returns
        -------
        torch.Tensor
            Output (..., out_features).
        """
        y = self.pretrained_module(x)
        # one thin product for all parts, then one per part: cheaper than a
        # dense update of the whole fused output
        low = F.linear(self.dropout(x), self.down.flatten(0, 1))
        low = low.unflatten(-1, self.up.shape[::2]) * self.scale
        delta = [F.linear(low[..., i, :], up) for i, up in enumerate(self.up)]
        return _add_parts(y, delta, self.starts)

    @torch.no_grad()
    def merge(self):
        """Fold the update into the pretrained weight.

        Returns
        -------
        torch.nn.Linear
            The pretrained layer, which now computes what this one did.
        """
        self.pretrained_module.weight.copy_(self.weight)
        return self.pretrained_module


def _thirds(parts, out_features):
    """Where the adapted parts of a layer's output start, and their width."""
    if parts is None:
        return [0], out_features
    if not parts or set(parts) - set("qkv") or len(set(parts)) < len(parts):
        raise InputError(
            f"LoRA: parts={parts!r} is not a choice of the letters q, k, v; "
            "leave it out for a layer that is no fused qkv."
        )
    if out_features % 3:
        raise InputError(
            f"LoRA: parts={parts!r} needs a fused qkv layer, and this one's "
            f"{out_features} outputs do not divide by three. Leave parts out."
        )
    width = out_features // 3
    return [width * i for i in sorted(map("qkv".index, parts))], width


def _add_parts(y, delta, starts):
    """Add each update to its slice of the last dimension."""
    if len(starts) == 1 and delta[0].shape == y.shape:
        return y + delta[0]
    width = delta[0].shape[-1]
    pieces = dict(zip(starts, delta))
    return torch.cat(
        [
            piece + pieces[i * width] if i * width in pieces else piece
            for i, piece in enumerate(y.split(width, dim=-1))
        ],
        dim=-1,
    )
