"""MambAdapter: a selective state space inside a bottleneck.

Proposed in https://arxiv.org/abs/2606.15638, on https://arxiv.org/abs/2312.00752.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import zero_linear
from .masks import apart
from .scan import linear_scan

LONGEST, SHORTEST = 0.1, 0.001  # steps of the state space at the start


class MambaBottleneck(nn.Module):
    """Down, a Mamba layer along the tokens, up: U mamba(D x).

    With D and U shared by all layers (``Shared``), each has only the Mamba of
    its own: 19,212 parameters and 2,232 per layer for width 12 and dim 768.
    In https://arxiv.org/abs/2606.15638 an Adapter scales it by a learned
    factor, 0.1 at the start. A Mamba starts as its authors have it; what is
    released with the paper draws its weights so small that the up-projection,
    which starts at zero, sees less than 1e-9.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    width : int
        Width between the projections.
    state, kernel, expand : int
        As for ``Mamba``.
    dropout : float
        Before the up-projection; 0.1 in what is released with the paper.

    Example
    -------
    >>> MambaBottleneck(32, width=4)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(
        self, dim, width=12, state=16, kernel=4, expand=2, dropout=0.0
    ):
        super().__init__()
        self.down = nn.Linear(dim, width)
        self.mamba = Mamba(width, state, kernel, expand)
        self.dropout = nn.Dropout(dropout)
        self.up = zero_linear(width, dim)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        return self.up(self.dropout(apart(self.mamba, self.down(x))))


class Mamba(nn.Module):
    """A Mamba layer, https://arxiv.org/abs/2312.00752, without its kernels.

    Each channel has `state` numbers that decay at rates of their own, as fast
    as the token says: h_t = exp(d_t A) h_{t-1} + d_t B_t x_t, y_t = C_t h_t,
    where d, B and C are projections of x. A token sees those before it.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    state : int
        Numbers that each channel remembers.
    kernel : int
        Tokens of the causal convolution before the state space.
    expand : int
        Channels for each number of a token.

    Example
    -------
    >>> Mamba(4)(torch.randn(3, 10, 4)).shape
    torch.Size([3, 10, 4])
    """

    def __init__(self, dim, state=16, kernel=4, expand=2):
        super().__init__()
        inner, rank = expand * dim, math.ceil(dim / 16)
        self.sizes = rank, state, state
        self.expand = nn.Linear(dim, 2 * inner, bias=False)
        self.convolution = nn.Conv1d(
            inner, inner, kernel, padding=kernel - 1, groups=inner
        )
        self.select = nn.Linear(inner, rank + 2 * state, bias=False)
        self.step = nn.Linear(rank, inner)
        rates = torch.arange(1, state + 1, dtype=torch.float32)
        self.log_rates = nn.Parameter(rates.log().repeat(inner, 1))
        self.skip = nn.Parameter(torch.ones(inner))
        self.contract = nn.Linear(inner, dim, bias=False)
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        steps = torch.empty(inner).uniform_(
            math.log(SHORTEST), math.log(LONGEST)
        )
        with torch.no_grad():  # the inverse of softplus
            self.step.bias.copy_(steps.exp().expm1().log())

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        length = x.shape[1]
        x, gate = self.expand(x).chunk(2, dim=-1)
        x = self.convolution(x.transpose(1, 2))[..., :length].transpose(1, 2)
        return self.contract(self._states(F.silu(x)) * F.silu(gate))

    def _states(self, x):
        """The state space (batch, token, channel), in full precision."""
        full = torch.promote_types(x.dtype, torch.float32)
        low, write, read = self.select(x).split(self.sizes, dim=-1)
        steps = F.softplus(self.step(low).to(full))
        with torch.autocast(x.device.type, enabled=False):
            rates = -self.log_rates.to(full).exp()
            decay = torch.exp(steps.unsqueeze(-1) * rates)
            drive = (steps * x).unsqueeze(-1) * write.to(full).unsqueeze(-2)
            states = linear_scan(decay, drive)
            y = (states @ read.to(full).unsqueeze(-1)).squeeze(-1)
            return (y + self.skip * x).to(x.dtype)
