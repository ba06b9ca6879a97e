"""timm's block in plain torch, for the AST in trees that have no timm.

The same names and numbers as ``timm.models.vision_transformer.Block``; here the
AST itself is on that one. See ``inference/standalone.py``.
"""

import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Self-attention with one fused projection of queries, keys and values.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    num_heads : int
        Number of heads.
    proj_drop : float
        Dropout of the output.

    Example
    -------
    >>> import torch
    >>> Attention(32, num_heads=2)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, num_heads, proj_drop=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        qkv = self.qkv(x).unflatten(2, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (batch, head, token, dim)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj_drop(self.proj(x.transpose(1, 2).flatten(2)))


class Mlp(nn.Module):
    """The feed-forward of a block, four times as wide inside.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    drop : float
        Dropout after each layer.

    Example
    -------
    >>> import torch
    >>> Mlp(32)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, drop=0.0):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        x = self.drop(F.gelu(self.fc1(x)))
        return self.drop(self.fc2(x))


class Block(nn.Module):
    """A block of a vision transformer, its normalisation first.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    num_heads : int
        Number of heads.
    proj_drop : float
        Dropout of the attention and inside the feed-forward.
    norm_layer : callable
        Takes the width.

    Example
    -------
    >>> import torch
    >>> Block(32, num_heads=2)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, num_heads, proj_drop=0.0, norm_layer=nn.LayerNorm):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = Attention(dim, num_heads, proj_drop)
        self.norm2 = norm_layer(dim)
        self.mlp = Mlp(dim, proj_drop)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))
