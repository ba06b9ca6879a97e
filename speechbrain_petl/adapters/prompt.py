"""Prompt tokens, shallow and deep (https://arxiv.org/abs/2203.12119)."""

import math

import torch
from torch import nn

from ..errors import InputError
from .masks import pad_masks
from .sites import device_and_dtype, on_first
from .widths import common_width_of


class Prompt(nn.Module):
    """Learned tokens that a module sees behind its own, dropped afterwards.

    Around the whole stack of blocks it is the shallow prompt of
    https://arxiv.org/abs/2203.12119, around every block the deep one. The
    class tokens keep their places; a mask is padded so that all tokens see
    the prompts.

    Arguments
    ---------
    target_module : torch.nn.Module
        The pretrained block or stack, (batch, token, dim) -> same.
    tokens : int
        Number of prompts.
    dropout : float
        Dropout on the prompts.
    keep : bool
        Leave the prompts at the end of the output, to be pooled.
    replace : bool
        Take the place of the last ``tokens`` tokens instead of following
        them. A kept prompt around the stack and replacing ones around all
        blocks but the first are a deep prompt that can be pooled.
    dim : int, optional
        Width of the tokens, if the module does not tell it.

    Example
    -------
    >>> block = nn.Linear(32, 32)
    >>> Prompt(block, tokens=5)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    >>> Prompt(block, tokens=5, keep=True)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 15, 32])
    """

    def __init__(
        self,
        target_module,
        tokens=25,
        dropout=0.0,
        keep=False,
        replace=False,
        dim=None,
    ):
        super().__init__()
        self.pretrained_module = target_module
        self.keep = keep
        self.replace = replace
        dim = dim or common_width_of(target_module)
        factory_kwargs = device_and_dtype(target_module)
        self.prompts = nn.Parameter(torch.empty(tokens, dim, **factory_kwargs))
        # the paper's bound, sqrt(6 / (patch + dim)), where a patch has as
        # many values as a token, as in the ViT-B/16 of the paper
        bound = math.sqrt(3 / dim)
        nn.init.uniform_(self.prompts, -bound, bound)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, *args, **kwargs):
        """Tokens (batch, token, dim) to what the module returns.

        With the prompts if they are kept or were there before.
        """
        prompts = self.dropout(self.prompts).to(x.dtype)
        length = x.shape[1]
        if self.replace:
            if length <= len(prompts):
                raise InputError(
                    f"Prompt: replace=True: {len(prompts)} prompts would take "
                    f"the place of all {length} tokens: give fewer prompts "
                    "(tokens), or longer clips"
                )
            x = x[:, : length - len(prompts)]
        else:
            args, kwargs = pad_masks(args, kwargs, length, len(prompts))
        x = torch.cat([x, prompts.expand(len(x), -1, -1)], dim=1)
        y = self.pretrained_module(x, *args, **kwargs)
        return y if self.keep else on_first(y, lambda first: first[:, :length])
