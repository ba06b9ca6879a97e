"""A pooling that learns where to look: the attentive probe.

As in https://arxiv.org/abs/2401.08541: one learned query, keys and values of
the tokens, and nothing after.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from .clip_mean import own_tokens


class AttentivePooling(nn.Module):
    """What one learned query finds, (batch, token, dim) to (batch, dim).

    softmax(q (K x)^T / sqrt(d)) V x in each head. Padding is not looked at.

    Arguments
    ---------
    encoder : torch.nn.Module
        Its ``dim``, and by ``tokens_of``, if it has that, how many tokens a
        clip has; not a part of this module.
    heads : int
        A divisor of the dim.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> pooling = AttentivePooling(AST((32, 2, 2), frames=64))
    >>> pooling(torch.randn(3, 62, 32)).shape
    torch.Size([3, 32])
    >>> sum(p.numel() for p in pooling.parameters())
    2080
    """

    def __init__(self, encoder, heads=8):
        super().__init__()
        self.dim, self.heads = encoder.dim, heads
        if heads < 1 or self.dim % heads:
            raise InputError(
                f"AttentivePooling: heads={heads} is no divisor of the "
                f"encoder's dim {self.dim}"
            )
        self.tokens_of = getattr(encoder, "tokens_of", None)
        self.query = nn.Parameter(torch.randn(1, 1, self.dim) * 0.02)
        self.key = nn.Linear(self.dim, self.dim, bias=False)
        self.value = nn.Linear(self.dim, self.dim, bias=False)

    def forward(self, tokens, samples=None):
        """Tokens (batch, token, dim) to an embedding per clip (batch, dim).

        Without ``samples``, all tokens are seen.
        """
        mask = own_tokens(self.tokens_of, tokens, samples)
        found = F.scaled_dot_product_attention(
            self._split(self.query.expand(len(tokens), -1, -1)),
            self._split(self.key(tokens)),
            self._split(self.value(tokens)),
            attn_mask=None if mask is None else mask[:, None, None],
        )
        return found.transpose(1, 2).flatten(1)

    def _split(self, x):
        """(batch, token, dim) to (batch, head, token, dim of a head)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)
