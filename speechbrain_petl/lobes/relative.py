"""Gated relative positions, the attention of WavLM and of BEATs.

https://arxiv.org/abs/2110.13900, section 4.1. As in torchaudio's own WavLM,
but the projections are called, so that they can be wrapped.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

GATE = 8  # outputs of the gate's projection, summed to two by fours


class RelativePositions(nn.Module):
    """A learned number per head for the distance from a query to a key.

    Near distances have one each, far ones share theirs by the logarithm.

    Arguments
    ---------
    heads : int
        Number of heads.
    buckets : int
        How many numbers each head has.
    distance : int
        Tokens from which on all distances are one.

    Example
    -------
    >>> RelativePositions(heads=2, buckets=32, distance=80)(10).shape
    torch.Size([1, 2, 10, 10])
    """

    def __init__(self, heads, buckets=320, distance=800):
        super().__init__()
        self.embedding = nn.Embedding(buckets, heads)
        self.distance = distance

    def forward(self, length):
        """The bias (1, head, token, token), queries before keys."""
        index = torch.arange(length, device=self.embedding.weight.device)
        bucket = self._bucket(index - index.unsqueeze(1))
        return self.embedding(bucket).permute(2, 0, 1).unsqueeze(0)

    def _bucket(self, offset):
        half = self.embedding.num_embeddings // 2  # one for each direction
        exact = half // 2
        far = offset.abs().clamp(min=1) / exact
        far = far.log() / math.log(self.distance / exact) * (half - exact)
        far = (exact + far.long()).clamp(max=half - 1)
        near = offset.abs()
        return torch.where(near < exact, near, far) + half * (offset > 0)


class GatedAttention(nn.Module):
    """Self-attention whose position bias each token scales by a gate.

    Arguments
    ---------
    attention : torch.nn.Module
        torchaudio's self-attention, whose projections it takes over.
    gate : str
        What the gate is computed from: the "input" (WavLM), or the projected
        "query" (BEATs).

    Example
    -------
    >>> from speechbrain_petl import Wav2Vec2
    >>> layer = Wav2Vec2((32, 1, 2)).encoder.transformer.layers[0]
    >>> attention = GatedAttention(layer.attention)
    >>> bias = torch.randn(1, 2, 10, 10)
    >>> attention(torch.randn(3, 10, 32), position_bias=(bias,))[0].shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, attention, gate="input"):
        super().__init__()
        for name, projection in attention.named_children():
            setattr(self, name, projection)
        self.num_heads, self.dropout = attention.num_heads, attention.dropout
        self.gate = gate
        self.gru_rel_pos_linear = nn.Linear(attention.head_dim, GATE)
        self.gru_rel_pos_const = nn.Parameter(
            torch.ones(1, self.num_heads, 1, 1)
        )

    def forward(
        self,
        x,
        attention_mask=None,
        position_bias=None,
        key_padding_mask=None,
    ):
        """Tokens (batch, token, dim) to the same, and the position bias.

        ``attention_mask`` is True where a token may be attended to (batch, 1,
        token, token). ``position_bias`` (1, head, token, token) is in a tuple,
        since it is no mask for a prompt or prefix to lengthen: their tokens
        have no position. ``key_padding_mask`` is torchaudio's, and not used.
        """
        q, k, v = (
            self._heads(projection(x))
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        (bias,) = position_bias
        learned = x.shape[1] - bias.shape[-1]
        gate = self._gates(q if self.gate == "query" else self._heads(x))
        bias = gate * F.pad(bias, (0, learned, 0, learned))
        if attention_mask is not None:
            bias = bias.masked_fill(~attention_mask, -torch.inf)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout
        )
        return self.out_proj(y.transpose(1, 2).flatten(2)), position_bias

    def _heads(self, x):
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)

    def _gates(self, x):
        """How much of the bias each token takes (batch, head, token, 1)."""
        gates = self.gru_rel_pos_linear(x).unflatten(3, (2, -1)).sum(4)
        one, two = gates.sigmoid().chunk(2, dim=-1)
        return one * (two * self.gru_rel_pos_const - 1) + 2
