"""LoRA, low-rank updates of linear layers (https://arxiv.org/abs/2106.09685).

The trainable part of W x + (alpha / rank) B A x, for a Linear or for named
parts of a fused qkv projection.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .lora_inits import MOVED, first_factors
from .parts import thirds
from .widths import linear


class LoRA(nn.Module):
    """A Linear plus a trainable low-rank product: W x + (alpha/rank) B A x.

    B starts at zero, so the wrapped layer starts as it was. Proposed in
    https://arxiv.org/abs/2106.09685. Where B A starts at a part of W, what it
    started at is taken off: W x + (alpha/rank) (B A - B0 A0) x. B0 and A0 are
    buffers, and W stays as it is: a file of what was learned tells the whole
    on any machine.

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
    rslora : bool
        Scale by alpha / sqrt(rank), which keeps the size of the update when
        the rank grows (https://arxiv.org/abs/2312.03732).
    init : str
        Of A and B: "kaiming", random and zero; "pissa", the largest singular
        values of W (https://arxiv.org/abs/2404.02948); "olora", columns and
        rows of its QR decomposition (https://arxiv.org/abs/2406.01775);
        "eva", zero and the directions in which the layer's inputs vary most
        (https://arxiv.org/abs/2410.07170), see ``eva.eva_start``.

    Example
    -------
    >>> qkv = LoRA(nn.Linear(32, 96), rank=4, parts="qv")
    >>> qkv(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 96])
    """

    def __init__(
        self,
        target_module,
        rank=6,
        alpha=16.0,
        parts=None,
        dropout=0.0,
        rslora=False,
        init="kaiming",
    ):
        super().__init__()
        owner = type(self).__name__
        self.pretrained_module = linear(target_module, owner)
        self.in_features = target_module.in_features
        self.out_features = target_module.out_features
        self.scale = alpha / (math.sqrt(rank) if rslora else rank)
        self.starts, width = thirds(parts, target_module, owner)
        weight, self.init = target_module.weight, init
        parts = [weight[first : first + width] for first in self.starts]
        down, up = first_factors(init, parts, rank, self.scale, owner)
        moved = init in MOVED
        self.register_buffer("first_down", down.clone() if moved else None)
        self.register_buffer("first_up", up.clone() if moved else None)
        self.down, self.up = nn.Parameter(down), nn.Parameter(up)
        self.dropout = nn.Dropout(dropout)

    @property
    def weight(self):
        """The adapted weight (out_features, in_features)."""
        return self._updated_weight()

    @property
    def bias(self):
        """The pretrained bias (out_features,), or None."""
        return self.pretrained_module.bias

    def forward(self, x):
        """Inputs (*, in_features) to (*, out_features)."""
        inner, rows = self.pretrained_module, x.flatten(0, -2)
        device = x.device.type
        if torch.is_autocast_enabled(device):  # once, and not in each product
            rows = rows.to(torch.get_autocast_dtype(device))
        plain = type(inner) is nn.Linear
        y = inner(rows) if plain else inner(x).flatten(0, -2)
        down, up = self._factors()
        low = F.linear(self.dropout(rows), down).to(y.dtype)
        up = up.t().to(y.dtype)
        # not in place: selective checkpointing may keep y for its backward pass
        y = torch.addmm(y, low, up, alpha=self.scale)
        return y.unflatten(0, x.shape[:-1])

    def _updated_weight(self):
        down, up = self._factors()
        return self.pretrained_module.weight + self.scale * (up @ down)

    def _factors(self):
        """A and B, in their places: (rows, in_features), (out_features, rows)."""
        down, up, starts = self.down, self.up, self.starts
        if self.first_up is not None:
            down = torch.cat([down, self.first_down])
            up, starts = torch.cat([up, -self.first_up]), [*starts, *starts]
        if up.shape[1] == self.out_features and len(up) == 1:
            return down[0], up[0]
        # zeros for the parts left alone cost less than copying y together
        padded = [
            F.pad(part, (0, 0, start, self.out_features - start - len(part)))
            for start, part in zip(starts, up)
        ]
        return down.flatten(0, 1), torch.cat(padded, dim=1)

    @torch.no_grad()
    def merge(self):
        """Fold the update into the pretrained layer, and return that."""
        self.pretrained_module.weight.copy_(self.weight)
        return self.pretrained_module
