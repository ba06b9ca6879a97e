"""Adapter: a block beside, before or after a pretrained module.

Where adapters sit is the ablation of https://arxiv.org/abs/2312.03694.
"""

import torch
from torch import nn

from ..errors import InputError, check_arguments, check_choice
from .sites import device_and_dtype, on_first
from .widths import common_width_of, output_width_of, width_of

WHERE = {  # a block is -> how wide the tokens are there
    "parallel": common_width_of,
    "before": width_of,
    "after": output_width_of,
}
AROUND = "around"


class Adapter(nn.Module):
    """A module f with a block A: f(x) + A(x), f(x + A(x)) or f(x) + A(f(x)).

    ``residual`` is whether A has a skip connection of its own. Parallel
    without one, before and after with one keep the pretrained function at
    the start, since blocks start at zero; these are the defaults. The others
    of the ablation in https://arxiv.org/abs/2312.03694 do not:
    x + f(x) + A(x), f(A(x)), A(f(x)), and, "around" f, f(A(x)) + A(x), which
    is its sequential adapter before f.

    Arguments
    ---------
    target_module : torch.nn.Module
        The pretrained attention, feed-forward or block, f. If it returns a
        tuple, the first element is adapted.
    block : callable
        Takes ``dim`` and returns A: (batch, token, dim) -> same.
    where : str
        "parallel", "before" or "after".
    residual : bool or str, optional
        A skip connection over A; by default the choice that keeps the
        pretrained function. Or "around", before f alone.
    scale : float
        A is multiplied by it; 0.1 in https://arxiv.org/abs/2205.13535.
    learn_scale : bool
        Train the scale.
    dim : int, optional
        Width of the tokens where A is, if f does not tell it.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_petl.adapters.blocks import Bottleneck
    >>> adapter = Adapter(nn.Linear(32, 32), partial(Bottleneck, width=4))
    >>> adapter(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(
        self,
        target_module,
        block,
        where="parallel",
        residual=None,
        scale=1.0,
        learn_scale=False,
        dim=None,
    ):
        super().__init__()
        check_choice("Adapter: where", where, WHERE)
        self.pretrained_module = target_module
        self.where = where
        self.residual = where != "parallel" if residual is None else residual
        check_choice("Adapter: residual", self.residual, (True, False, AROUND))
        if self.residual == AROUND and where != "before":
            raise InputError(f"Adapter: residual={AROUND!r} is for before")
        dim = dim or WHERE[where](target_module)
        self.block = build_block(block, target_module, dim)
        self.scale = scale
        # saves a pass over all tokens where there is nothing to scale
        self.scaled = learn_scale or scale != 1.0
        if learn_scale:
            factory_kwargs = device_and_dtype(target_module)
            self.scale = nn.Parameter(
                torch.tensor(float(scale), **factory_kwargs)
            )

    def forward(self, x, *args, **kwargs):
        """Tokens (batch, token, dim) to what f returns, adapted."""
        if self.residual == AROUND:
            side = self._changed(x)
            y = self.pretrained_module(side, *args, **kwargs)
            return on_first(y, lambda first: first + side)
        if self.where == "before":
            return self.pretrained_module(self._adapt(x), *args, **kwargs)
        y = self.pretrained_module(x, *args, **kwargs)
        if self.where == "after":
            return on_first(y, self._adapt)
        side = self._adapt(x)
        return on_first(y, lambda first: first + side)

    def _adapt(self, x):
        return x + self._changed(x) if self.residual else self._changed(x)

    def _changed(self, x):
        change = self.block(x)
        if self.scaled:
            change = (change * self.scale).to(change.dtype)
        return change


def build_block(block, module, dim):
    """Make a block in the device and dtype of a module.

    Arguments
    ---------
    block : callable
        Takes ``dim`` and returns the block.
    module : torch.nn.Module
        What it adapts.
    dim : int
        Width of the tokens.

    Returns
    -------
    torch.nn.Module
        The block.

    Example
    -------
    >>> from speechbrain_petl.adapters.blocks import Bottleneck
    >>> type(build_block(Bottleneck, nn.Linear(32, 32), 32)).__name__
    'Bottleneck'
    """
    if isinstance(block, nn.Module):
        raise InputError(
            f"block={type(block).__name__}(...) is one module, and every site "
            "needs its own: in the yaml file write !name: instead of !new:, "
            "or wrap it in Shared."
        )
    check_arguments(block, dim=dim, key="petl: block")
    return block(dim=dim).to(**device_and_dtype(module))
