"""An encoder that knows the documented protocol and nothing else."""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_petl.adapters.masks import padding, valid_tokens


class Attention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.q_proj, self.k_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.v_proj, self.o_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        valid = valid_tokens(x)
        mask = None if valid is None else valid.unsqueeze(1)
        return self.o_proj(F.scaled_dot_product_attention(q, k, v, mask))


class Layer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        self.attention, ends = Attention(dim), (dim, 2 * dim)
        self.ff = nn.Sequential(
            nn.Linear(*ends), nn.GELU(), nn.Linear(*ends[::-1])
        )

    def forward(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.ff(self.norms[1](x))


class Stranger(nn.Module):
    """Stretches of 400 samples are tokens."""

    def __init__(self, dim=32, depth=2):
        super().__init__()
        self.dim = dim
        self.cut = nn.Conv1d(1, dim, 400, stride=400)
        self.layers = nn.Sequential(*(Layer(dim) for _ in range(depth)))

    def tokens_of(self, lengths):
        return lengths.round().long() // 400

    def forward(self, wavs, lengths=None):
        x, valid = self.cut(wavs.unsqueeze(1)).transpose(1, 2), None
        if lengths is not None:
            valid = torch.arange(x.shape[1]) < self.tokens_of(lengths)[:, None]
        with padding(valid):
            return self.layers(x)
