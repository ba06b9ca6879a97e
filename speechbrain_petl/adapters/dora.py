"""DoRA: LoRA for the direction, a vector for the magnitude of each weight row.

Proposed in https://arxiv.org/abs/2402.09353.
"""

import torch
from torch import nn

from .lora import LoRA
from .parts import spread


class DoRA(LoRA):
    """A Linear with weight m (W + s B A) / |W + s B A|, row by row.

    s is alpha / rank. m starts as the row norms of W and B at zero, so the
    layer starts as it was. As in section 4.3 of
    https://arxiv.org/abs/2402.09353, the norm is a constant to the gradient.

    Arguments
    ---------
    target_module : torch.nn.Linear
        The pretrained layer.
    **kwargs : dict
        As for LoRA; with ``parts``, only their rows have a magnitude.

    Example
    -------
    >>> qkv = DoRA(nn.Linear(32, 96), rank=4, parts="qv")
    >>> qkv(torch.randn(2, 10, 32)).shape
    torch.Size([2, 10, 96])
    >>> qkv.magnitude.shape
    torch.Size([2, 32])
    """

    def __init__(self, target_module, **kwargs):
        super().__init__(target_module, **kwargs)
        norm = target_module.weight.detach().norm(dim=1)
        self.magnitude = nn.Parameter(torch.stack(self._parts(norm)))

    @property
    def weight(self):
        """What a plain Linear would need to compute the same."""
        return self._stretch().unsqueeze(1) * self._updated_weight()

    def forward(self, x):
        """Inputs (*, in_features) to (*, out_features)."""
        y = super().forward(x)
        stretch = self._stretch()
        stretched = y * stretch
        if self.bias is not None:
            stretched = stretched + self.bias * (1 - stretch)
        return stretched.to(y.dtype)

    def _stretch(self):
        """m / |W + s B A| of every row, 1 for the parts left alone."""
        # in full precision: a bfloat16 norm is off by more than a step moves
        device = self.up.device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            norm = self._updated_weight().norm(dim=1)
        norm = torch.stack(self._parts(norm))
        return spread(self.magnitude / norm, self.starts, self.out_features)

    def _parts(self, x):
        width = self.up.shape[1]
        return [x[start : start + width] for start in self.starts]
