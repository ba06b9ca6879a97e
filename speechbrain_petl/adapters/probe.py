"""Probes that read all layers.

https://arxiv.org/abs/2105.01051, and the gates of https://arxiv.org/abs/2602.16305.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from .sites import device_and_dtype, first_of


class WeightedLayers(nn.Module):
    """A stack of blocks that returns a weighted mean of all their outputs.

    sum_l w_l h_l with w a softmax of one learned number per block. It is not
    the identity at the start: the weights are equal.

    Arguments
    ---------
    target_module : torch.nn.Sequential or torch.nn.ModuleList
        The pretrained blocks, each (batch, token, dim) -> same, or to a tuple
        that starts with it. A stack that leaves tokens out between them says
        so by ``keeps_tokens = False``, and is refused.
    normalise : bool
        Take each token of each layer at length 1, as the gates of convex gated
        probing do: sum_l w_l h_l / ||h_l||.

    Example
    -------
    >>> blocks = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 32))
    >>> WeightedLayers(blocks)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, target_module, normalise=False):
        super().__init__()
        if not isinstance(target_module, (nn.Sequential, nn.ModuleList)):
            raise InputError(
                f"WeightedLayers: {type(target_module).__name__} is no "
                "stack whose layers can be weighted. Let the glob name the "
                "stack itself: blocks."
            )
        if not getattr(target_module, "keeps_tokens", True):
            raise InputError(
                "WeightedLayers needs all tokens of all layers, and this "
                f"{type(target_module).__name__} leaves some out between them: "
                "set what does so (token_merging) to 0"
            )
        self.pretrained_module = target_module
        self.normalise = normalise
        start = torch.zeros(len(target_module))
        self.logits = nn.Parameter(start.to(**device_and_dtype(target_module)))

    def forward(self, x, *args, **kwargs):
        """Tokens (batch, token, dim) to the same shape."""
        total = 0
        for block, weight in zip(
            self.pretrained_module, self.logits.softmax(dim=0)
        ):
            x = first_of(block(x, *args, **kwargs))
            total = total + weight.to(x.dtype) * self._taken(x)
        return total

    def layers(self, x, *args, **kwargs):
        """What all blocks return, (batch, token, dim) to (batch, token, layer, dim)."""
        found = []
        for block in self.pretrained_module:
            x = first_of(block(x, *args, **kwargs))
            found.append(x)
        return torch.stack(found, dim=2)

    def mixed(self, layers):
        """What ``forward`` makes of ``layers`` (batch, ..., layer, dim)."""
        weights = self.logits.softmax(dim=0).to(layers.dtype)
        return (weights.unsqueeze(1) * self._taken(layers)).sum(dim=-2)

    def _taken(self, x):
        return F.normalize(x, dim=-1) if self.normalise else x
