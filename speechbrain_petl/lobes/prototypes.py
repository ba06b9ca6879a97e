"""Poolings that ask which learned prototypes are somewhere in a clip.

Binarised prototypical probes (https://arxiv.org/abs/2509.24901), and the
prototypes of convex gated probing (https://arxiv.org/abs/2602.16305).
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import check_count
from .clip_mean import own_tokens


class _Similarities(nn.Module):
    """Cosine of each token and each prototype, (batch, token, prototype)."""

    def __init__(self, encoder, prototypes):
        super().__init__()
        check_count("prototypes", prototypes)
        self.tokens_of = getattr(encoder, "tokens_of", None)
        self.prototypes = nn.Parameter(torch.randn(prototypes, encoder.dim))

    def similarities(self, tokens, prototypes):
        """Of tokens (batch, token, dim) and prototypes (prototype, dim)."""
        directions = F.normalize(prototypes, dim=1)
        return F.normalize(tokens, dim=2) @ directions.T


class BinaryPrototypes(_Similarities):
    """How near a clip's nearest token is to each of J prototypes of ±1.

    max_t cos(z_t, sign(p_j)), (batch, token, dim) to (batch, J); the gradient
    passes the sign as it is. No prototype belongs to a class: the classifier
    that follows says what speaks for which.

    Arguments
    ---------
    encoder : torch.nn.Module
        As for ``AttentivePooling``.
    prototypes : int
        J; the paper has 20 for each class.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> pooling = BinaryPrototypes(AST((32, 2, 2), frames=64), prototypes=40)
    >>> pooling(torch.randn(3, 62, 32)).shape, pooling.dim
    (torch.Size([3, 40]), 40)
    """

    def __init__(self, encoder, prototypes=1000):
        super().__init__(encoder, prototypes)
        self.dim = prototypes

    def forward(self, tokens, samples=None):
        """Tokens (batch, token, dim) to an embedding per clip (batch, J).

        Without ``samples``, all tokens are compared.
        """
        free = self.prototypes
        binary = torch.where(free >= 0, 1.0, -1.0).to(free.dtype)
        straight = free + (binary - free).detach()
        found = self.similarities(tokens, straight)
        mask = own_tokens(self.tokens_of, tokens, samples)
        return _outside(found, mask, -torch.inf).amax(dim=1)


class Prototypes(_Similarities):
    """The largest and smallest similarity of a clip to each of J prototypes.

    max_t cos(z_t, p_j) and min_t cos(z_t, p_j) over the patches, and the mean
    over the class tokens, if there are any: (batch, token, dim) to
    (batch, 2 J) or (batch, 3 J).

    Arguments
    ---------
    encoder : torch.nn.Module
        As for ``AttentivePooling``.
    prototypes : int
        J.
    class_tokens : int
        Number of class tokens at the start; 2 for the AST.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> encoder = AST((32, 2, 2), frames=64)
    >>> pooling = Prototypes(encoder, prototypes=40, class_tokens=2)
    >>> pooling(torch.randn(3, 62, 32)).shape, pooling.dim
    (torch.Size([3, 120]), 120)
    """

    def __init__(self, encoder, prototypes=1000, class_tokens=0):
        super().__init__(encoder, prototypes)
        self.class_tokens = class_tokens
        self.dim = (3 if class_tokens else 2) * prototypes

    def forward(self, tokens, samples=None):
        """Tokens (batch, token, dim) to an embedding per clip.

        Without ``samples``, all tokens are compared.
        """
        found = self.similarities(tokens, self.prototypes)
        mask = own_tokens(self.tokens_of, tokens, samples)
        first, patches = found.tensor_split([self.class_tokens], dim=1)
        if mask is not None:
            mask = mask[:, self.class_tokens :]
        parts = [
            _outside(patches, mask, -torch.inf).amax(dim=1),
            _outside(patches, mask, torch.inf).amin(dim=1),
        ]
        if self.class_tokens:
            parts.append(first.mean(dim=1))
        return torch.cat(parts, dim=1)


def _outside(found, mask, value):
    """A value that no extreme is, where a clip has no token."""
    return found if mask is None else found.masked_fill(~mask[..., None], value)
