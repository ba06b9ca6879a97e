"""Mixtures of adapters, dense and soft (https://arxiv.org/abs/2402.00828).

A mixture is a block like any other, so an Adapter places it.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import check_choice
from .experts import make_experts
from .masks import mask_of, padding_mask

RELEASED = "released"
NORMALISE = (True, False, RELEASED)
EPSILON = 1e-6  # of the norms there


class DenseMoA(nn.Module):
    """All experts on every token, weighted by a router: sum_e p_e(x) A_e(x).

    p = softmax(W x + b) over the experts, from
    https://arxiv.org/abs/2402.00828. 75,313 parameters for 7 bottlenecks of
    width 6 and dim 768.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    expert : callable
        Takes ``dim`` and returns a block. Bottlenecks run as one batch,
        other blocks one after the other.
    experts : int
        How many, at least 2.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_petl.adapters.blocks import Bottleneck
    >>> mixture = DenseMoA(32, partial(Bottleneck, width=4), experts=3)
    >>> mixture(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, expert, experts=7):
        super().__init__()
        self.router = nn.Linear(dim, experts)
        self.experts = make_experts(expert, experts, dim)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        weights = self.router(x).softmax(dim=-1, dtype=torch.float32)
        return self.experts.mixed(x, weights.to(x.dtype))


class SoftMoA(nn.Module):
    """Each expert on its slots, which are weighted means of all tokens.

    With logits X Phi: D is their softmax over tokens, C over slots; the
    slots are D^T X, the result is C A(D^T X), from
    https://arxiv.org/abs/2402.00828 and https://arxiv.org/abs/2308.00951.
    75,306 parameters for 7 bottlenecks of width 6, one slot each, and dim
    768.

    Arguments
    ---------
    dim, expert, experts
        As for ``DenseMoA``.
    slots : int
        Slots per expert.
    normalise : bool or str
        Take the logits between the directions of tokens and slots, with a
        learned scale; one more parameter. The experts see the tokens as
        they are, as in the second paper. "released" is what the code of the
        first one computes: the experts see the directions of the tokens, and
        the slots are divided by their norms over the experts.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_petl.adapters.blocks import Bottleneck
    >>> mixture = SoftMoA(32, partial(Bottleneck, width=4), experts=3)
    >>> mixture(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, expert, experts=7, slots=1, normalise=False):
        super().__init__()
        self.experts = make_experts(expert, experts, dim)
        self.phi = nn.Parameter(torch.randn(dim, experts * slots))
        with torch.no_grad():
            self.phi /= math.sqrt(dim)
        self.shape = (experts, slots)
        check_choice("SoftMoA: normalise", normalise, NORMALISE)
        self.scale = nn.Parameter(torch.ones(1)) if normalise else None
        self.released = normalise == RELEASED

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        if self.released:
            x = x / (x.norm(dim=-1, keepdim=True) + EPSILON)
        logits = self._logits(x)
        combine = logits.softmax(dim=2, dtype=torch.float32).to(x.dtype)
        mask = mask_of(x)
        if mask is not None:  # padding is dispatched to no slot
            logits = logits.masked_fill(~mask.unsqueeze(2), -torch.inf)
            x = x.masked_fill(~mask.unsqueeze(2), 0)
        dispatch = logits.softmax(dim=1, dtype=torch.float32).to(x.dtype)
        slots = (dispatch.transpose(1, 2) @ x).unflatten(1, self.shape)
        with padding_mask(None):  # slots are no tokens
            return combine @ self.experts(slots).flatten(1, 2)

    def _logits(self, x):
        if self.scale is None:
            return x @ self.phi
        if self.released:
            phi = self.phi.unflatten(1, self.shape)
            phi = phi / (phi.norm(dim=1, keepdim=True) + EPSILON)
            return x @ (self.scale * phi.flatten(1))
        directions = self.scale * F.normalize(self.phi, dim=0)
        return F.normalize(x, dim=-1) @ directions
