"""Prefix tuning, learned keys and values (https://arxiv.org/abs/2101.00190)."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from .masks import pad_masks
from .sites import device_and_dtype, on_first

PROJECTIONS = (("qkv",), ("k_proj", "v_proj"), ("key", "value"))


class Prefix(nn.Module):
    """Self-attention to learned rows too: SDPA(q, [k; Pk], [v; Pv]).

    Proposed in https://arxiv.org/abs/2101.00190. The attention itself runs,
    on a sequence with empty tokens at its end whose keys and values are the
    learned ones; what it returns for them is dropped. So it may be of any
    library, with a mask or without, and its projections may be wrapped: a
    fused ``qkv`` (timm), or ``k_proj`` and ``v_proj`` (transformers,
    torchaudio).

    Arguments
    ---------
    target_module : torch.nn.Module
        The pretrained attention. Its projections of keys and values become
        ``_LearnedRows``.
    tokens : int
        Number of learned keys, and of learned values.

    Example
    -------
    >>> class Attention(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.qkv = nn.Linear(32, 96)
    ...
    ...     def forward(self, x):
    ...         q, k, v = self.qkv(x).chunk(3, dim=2)
    ...         return F.scaled_dot_product_attention(q, k, v)
    >>> Prefix(Attention(), tokens=5)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, target_module, tokens=12):
        super().__init__()
        self.pretrained_module = target_module
        self.tokens = tokens
        names = _projections(target_module)
        for name in names:
            projection = getattr(target_module, name)
            # a fused projection yields the queries first: these stay empty
            fused = projection.out_features // 3 if len(names) == 1 else 0
            rows = _LearnedRows(projection, tokens, start=fused)
            setattr(target_module, name, rows)

    def forward(self, x, *args, **kwargs):
        """Tokens (batch, token, dim) to what the attention returns.

        Masks among its arguments are padded.
        """
        length = x.shape[1]
        args, kwargs = pad_masks(args, kwargs, length, self.tokens)
        x = F.pad(x, (0, 0, 0, self.tokens))
        y = self.pretrained_module(x, *args, **kwargs)
        return on_first(y, lambda first: first[:, :length])


class _LearnedRows(nn.Module):
    """A projection whose outputs for the last tokens are learned.

    Those from ``start`` on; the outputs before it are zero.
    """

    def __init__(self, target_module, tokens, start=0):
        super().__init__()
        self.pretrained_module = target_module
        self.in_features = target_module.in_features
        self.out_features = target_module.out_features
        self.start = start
        shape = (tokens, self.out_features - start)
        self.rows = nn.Parameter(
            torch.empty(shape, **device_and_dtype(target_module))
        )
        bound = math.sqrt(3 / self.in_features)  # as a prompt's
        nn.init.uniform_(self.rows, -bound, bound)

    def forward(self, x):
        """(batch, token, in_features) to (batch, token, out_features)."""
        y = self.pretrained_module(x)
        rows = F.pad(self.rows, (self.start, 0)).to(y.dtype)
        rows = rows.expand(len(y), -1, -1)
        return torch.cat([y[:, : -len(self.rows)], rows], dim=1)


def _projections(attention):
    for names in PROJECTIONS:
        if all(hasattr(attention, name) for name in names):
            return names
    raise InputError(
        f"Prefix: {type(attention).__name__} has neither qkv nor k_proj and "
        "v_proj, so it is no attention that takes a prefix. Let the glob end "
        "in .attn or .attention."
    )
