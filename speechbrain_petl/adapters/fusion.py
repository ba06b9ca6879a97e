"""AdapterFusion: attention over the adapters of several finished runs.

https://arxiv.org/abs/2005.00247: the adapters stay as they are, and at each
token the attention learns how much of which is of use to a new task.
"""

import torch
from torch import nn

from ..errors import InputError
from .adapter import Adapter, build_block
from .mixer import Shared
from .sites import device_and_dtype, on_first
from .widths import common_width_of


class AdapterFusion(nn.Module):
    """A module f with frozen parallel adapters A_n and attention over them.

    y + sum_n s_n V A_n(x), with y = f(x) and s = softmax_n(Q y . K A_n(x)); V
    starts as the identity. The adapters are buffers: a checkpoint and an
    adapter file hold them. A training fills them, see
    ``weights.fused_adapters``; until then they are zero at the end, as new
    blocks are.

    Arguments
    ---------
    target_module : torch.nn.Module
        The pretrained attention, feed-forward or block, f, that the runs have
        adapted in parallel.
    block : callable
        What the adapters of the runs are: takes ``dim`` and returns A.
    runs : list of str
        Folders of finished runs, or of adapters.
    scale : float
        By which the runs multiplied what A returns.
    dim : int, optional
        Width of the tokens, if f does not tell it.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_petl.adapters.blocks import Bottleneck
    >>> block = partial(Bottleneck, width=4)
    >>> fusion = AdapterFusion(nn.Linear(32, 32), block, ["one", "other"])
    >>> fusion(torch.randn(3, 10, 32)).shape, len(fusion.adapters)
    (torch.Size([3, 10, 32]), 2)
    """

    where, residual = "parallel", False  # as the runs' Adapter must have them

    def __init__(self, target_module, block, runs, scale=1.0, dim=None):
        super().__init__()
        if not isinstance(runs, (list, tuple)) or not runs:
            raise InputError(
                f"AdapterFusion: runs={runs}: give the folders of finished "
                "runs, [results/one, results/other]"
            )
        if isinstance(block, Shared):
            raise InputError(
                "AdapterFusion: a Shared block, as MambAdapter and the token "
                "mixer have, cannot be fused: its parts belong to all sites of "
                "one run. Fuse runs whose sites have blocks of their own."
            )
        self.pretrained_module, self.runs = target_module, list(runs)
        dim = dim or common_width_of(target_module)
        self.adapters = nn.ModuleList(
            _frozen(build_block(block, target_module, dim)) for _ in runs
        )
        factory_kwargs = device_and_dtype(target_module)
        self.query = nn.Linear(dim, dim, **factory_kwargs)
        # the same number at all adapters would change nothing
        self.key = nn.Linear(dim, dim, bias=False, **factory_kwargs)
        self.value = nn.Linear(dim, dim, bias=False, **factory_kwargs)
        nn.init.eye_(self.value.weight)
        for linear in (self.query, self.key):
            nn.init.normal_(linear.weight, std=0.02)
        nn.init.zeros_(self.query.bias)
        self.scale = scale

    def forward(self, x, *args, **kwargs):
        """Tokens (batch, token, dim) to what f returns, adapted."""
        y = self.pretrained_module(x, *args, **kwargs)
        found = torch.stack([adapter(x) for adapter in self.adapters], dim=2)
        return on_first(y, lambda first: self._fused(first, found * self.scale))

    def _fused(self, y, found):
        """y (batch, token, dim), with what it wants of (batch, token, run, dim)."""
        scores = self.key(found) @ self.query(y).unsqueeze(3)
        shares = scores.softmax(dim=2).to(found.dtype)
        return y + (shares * self.value(found)).sum(dim=2).to(y.dtype)

    def train(self, mode=True):
        """As ``torch.nn.Module.train``, but the adapters stay in evaluation."""
        super().train(mode)
        self.adapters.eval()
        return self


def ways_of(encoder):
    """In which way what each block returns gets to the tokens.

    Arguments
    ---------
    encoder : torch.nn.Module
        An adapted one.

    Returns
    -------
    dict
        Name of an Adapter, or of an AdapterFusion -> text.

    Example
    -------
    >>> from speechbrain_petl.adapters.blocks import Bottleneck
    >>> ways_of(nn.Sequential(Adapter(nn.Linear(8, 8), Bottleneck, "after")))
    {'0': 'where=after, residual=True, scale=1'}
    """
    return {
        name: f"where={site.where}, residual={site.residual}, scale="
        + ("learned" if torch.is_tensor(site.scale) else f"{site.scale:.4g}")
        for name, site in encoder.named_modules()
        if isinstance(site, (Adapter, AdapterFusion))
    }


def _frozen(block):
    """The same with buffers in the place of its parameters."""
    for module in block.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach())
    return block
