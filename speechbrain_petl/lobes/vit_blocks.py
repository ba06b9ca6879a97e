"""Blocks of vision transformers on timm's, for clips of any length.

Their names are timm's: ``attn`` with ``qkv`` and ``proj``, ``mlp`` with
``fc1`` and ``fc2``, ``norm1`` and ``norm2``.
"""

from timm.layers import Attention
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional as F

from ..adapters.masks import mask_of, padding_mask
from .checkpointing import checkpointed


class MaskedAttention(Attention):
    """timm's attention, to the tokens of a clip and not to its padding.

    Arguments are timm's.

    Example
    -------
    >>> import torch
    >>> MaskedAttention(32, num_heads=2)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def forward(self, x, attn_mask=None, is_causal=False):
        """As timm's, by default with the mask of the padding."""
        mask = mask_of(x)
        if attn_mask is None and mask is not None:
            attn_mask = mask[:, None, None]
        return self.attend(x, attn_mask, is_causal)

    def attend(self, x, attn_mask, is_causal):
        """Tokens (batch, token, dim) to the same, with that mask."""
        return super().forward(x, attn_mask=attn_mask, is_causal=is_causal)


class GatedAttention(MaskedAttention):
    """The same, its outputs times a sigmoid of its inputs before ``proj``.

    As in https://arxiv.org/abs/2602.16305.

    Example
    -------
    >>> import torch
    >>> GatedAttention(32, num_heads=2)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, *args, **kwargs):
        super().__init__(dim, *args, **kwargs)
        self.gate = nn.Linear(dim, dim)

    def attend(self, x, attn_mask, is_causal):
        """As ``MaskedAttention``; newer versions of timm could do it."""
        qkv = self.qkv(x).unflatten(2, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (batch, head, token, dim)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=attn_mask, is_causal=is_causal
        )
        y = y.transpose(1, 2).flatten(2) * self.gate(x).sigmoid()
        return self.proj_drop(self.proj(y))


class PostNormBlock(Block):
    """A block whose LayerNorms come after the residuals.

    The last of a stack has no ``norm2``: it is the stack's own last
    LayerNorm, so that the names are those of other transformers.

    Example
    -------
    >>> import torch
    >>> PostNormBlock(32, num_heads=2)(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def forward(self, x, attn_mask=None, is_causal=False):
        """Tokens (batch, token, dim) to the same shape."""
        y = self.attn(x, attn_mask=attn_mask, is_causal=is_causal)
        x = self.norm1(x + y)
        x = x + self.mlp(x)
        return x if self.norm2 is None else self.norm2(x)


def run_blocks(encoder, x, mask):
    """The blocks of an encoder, or a wrapper of them.

    Arguments
    ---------
    encoder : torch.nn.Module
        With ``blocks`` and ``gradient_checkpointing``.
    x : torch.Tensor
        Tokens (batch, token, dim).
    mask : torch.Tensor or None
        True where a token is no padding (batch, token).

    Returns
    -------
    torch.Tensor
        Of the same shape.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import Whisper
    >>> run_blocks(Whisper((32, 2, 2)), torch.randn(3, 10, 32), None).shape
    torch.Size([3, 10, 32])
    """

    def _inside(blocks, x):
        with padding_mask(mask):
            return blocks(x)

    level = encoder.gradient_checkpointing
    if level and encoder.training:
        return checkpointed(encoder.blocks, x, _inside, level)
    return _inside(encoder.blocks, x)
