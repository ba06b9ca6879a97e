"""CED, Dasheng, EAT, SSLAM, BAT and Audio-MAE: one body, on timm's blocks.

https://arxiv.org/abs/2308.11957 (CED), https://arxiv.org/abs/2406.06992
(Dasheng), https://arxiv.org/abs/2401.03497 (EAT),
https://openreview.net/forum?id=odU59TxdiB (SSLAM),
https://arxiv.org/abs/2602.16305 (BAT), https://arxiv.org/abs/2207.06405
(Audio-MAE). The sites are the AST's, see ``lobes.whisper``: ``norm`` is the
last LayerNorm of all, also where LayerNorms end the blocks.
"""

from functools import partial

import torch
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional as F

from ..adapters.masks import token_mask
from ..errors import InputError, check_choice
from .checkpointing import check_level
from .sizes import shape_of
from .vit_blocks import (
    GatedAttention,
    MaskedAttention,
    PostNormBlock,
    run_blocks,
)
from .vit_families import FAMILIES, SIZES

EPSILON = 1e-6  # of every LayerNorm
LONGEST_WAVE = 10_000  # of the sines that positions are
HOP = 160  # samples from one frame to the next


class ViT(nn.Module):
    """Spectrogram (batch, frame, mel) to tokens (batch, token, dim).

    The class token, if the family has one, then all mels of the first frames
    first. Frames at the end that fill no patch are left out, as in the
    originals. Clips of a padded batch are encoded as each by itself would be.

    Arguments
    ---------
    size : str or sequence of int
        A name of ``vit_families.SIZES``, or (dim, depth, heads).
    family : str
        Where ``size`` is numbers, the name of FAMILIES that it is like.
    frames : int, optional
        The longest input; by default what the family was trained on, 10 s.
        EAT's sines go on after that; CED's and Dasheng's learned positions are
        stretched when weights are loaded; the others take no longer ones.
    dropout, gradient_checkpointing
        As for ``Wav2Vec2``.

    Example
    -------
    >>> encoder = ViT((32, 2, 2), "ced")
    >>> encoder(torch.randn(3, 101, 64)).shape
    torch.Size([3, 24, 32])
    >>> encoder.tokens_of(torch.tensor([16000, 8000]))
    tensor([24, 12])
    """

    def __init__(
        self,
        size="ced_tiny",
        family="ced",
        frames=None,
        dropout=0.0,
        gradient_checkpointing=False,
    ):
        super().__init__()
        (self.dim, depth, heads), family = _shape_of(size, family)
        self.family, self.kind = family, FAMILIES[family]
        kind = self.kind
        self.gradient_checkpointing = check_level(gradient_checkpointing)
        # if set, forward takes what is before the last LayerNorm: see
        # training/cache/cached.py
        self.start = None
        columns = _columns(family, frames or kind.frames)
        self.input_scale = self.input_shift = None
        if kind.learned:
            self.input_scale = nn.Parameter(torch.ones(kind.mels))
            self.input_shift = nn.Parameter(torch.zeros(kind.mels))
        projection = nn.Conv2d(1, self.dim, kind.patch, stride=kind.patch)
        self.patch_embed = nn.ModuleDict({"proj": projection})
        self._make_positions(columns)
        norm = partial(nn.LayerNorm, eps=EPSILON)
        self.norm_pre = norm(self.dim) if kind.post_norm else nn.Identity()
        self.pos_drop = nn.Dropout(dropout)
        block = partial(
            PostNormBlock if kind.post_norm else Block,
            self.dim,
            heads,
            qkv_bias=True,
            proj_drop=dropout,
            norm_layer=norm,
            attn_layer=GatedAttention if kind.gated else MaskedAttention,
        )
        self.blocks = nn.Sequential(*(block() for _ in range(depth)))
        if kind.post_norm:
            self.blocks[-1].norm2 = None
        self.norm = norm(self.dim)

    @property
    def rows(self):
        """How many patches are above each other, for blocks on their grid."""
        return self.kind.rows

    @property
    def class_tokens(self):
        """How many come before the patches."""
        return self.kind.class_tokens

    def _make_positions(self, columns):
        """Positions (1, time, mel, dim), and the class token."""
        rows, dim = self.rows, self.dim
        if self.kind.learned:
            for name, shape in (("time", (columns, 1)), ("freq", (1, rows))):
                table = nn.Parameter(0.02 * torch.randn(1, *shape, dim))
                setattr(self, f"{name}_pos_embed", table)
            return
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        shape = columns, rows
        if self.kind.by_rows:
            shape = rows, _columns(self.family)
        table = _sines(*shape, dim)
        table = table.view(1, -1, rows, dim)[:, :columns].clone()
        self.pos_embed = nn.Parameter(table)

    def forward(self, spectrogram, samples=None):
        """What the family's front end returns (batch, frame, mel) to tokens.

        See ``lobes.encoder``.
        """
        if self.start is not None:
            return self.finish(spectrogram)
        x, mask = self.embed(spectrogram), None
        if samples is not None:
            mask = token_mask(self.tokens_of(samples), x.shape[1])
        return self.finish(run_blocks(self, x, mask))

    def finish(self, x):
        """What the blocks return to tokens, both (batch, token, dim)."""
        return self.norm(x)

    def embed(self, spectrogram):
        """What the blocks take (batch, token, dim), with positions."""
        x = spectrogram
        if x.shape[2] != self.kind.mels:
            raise InputError(
                f"{x.shape[2]} mels: {self.family} takes {self.kind.mels}, from "
                f"{'Fbank' if self.kind.window else 'MelDB'} with the settings of "
                "docs/encoders.md: take that front end, of so many `mels`"
            )
        if self.input_scale is not None:
            x = x * self.input_scale + self.input_shift
        x = F.pad(x, (0, 0, 0, max(self.kind.patch[0] - x.shape[1], 0)))
        x = self.patch_embed["proj"](x.unsqueeze(1)).permute(0, 2, 3, 1)
        x = self._with_positions(x).flatten(1, 2)
        if self.class_tokens:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        return self.pos_drop(self.norm_pre(x))

    def _with_positions(self, x):
        """Patches (batch, time, mel, dim), with their places in both."""
        length = x.shape[1]
        time = self.time_pos_embed if self.kind.learned else self.pos_embed
        if length > time.shape[1]:
            step = self.kind.patch[0]
            raise InputError(
                f"{length * step} frames are more than the "
                f"{time.shape[1] * step} that {self.family} has positions "
                "for: cut clips earlier, or set its `frames`"
            )
        x = x + time[:, :length]
        return x + self.freq_pos_embed if self.kind.learned else x

    def tokens_of(self, samples):
        """Tokens of each clip (batch,), of one patch of frames at least."""
        frames = (samples.round().long() - self.kind.window) // HOP + 1
        columns = (frames // self.kind.patch[0]).clamp(min=1)
        return columns * self.rows + self.class_tokens


def _columns(family, frames=None):
    """How many patches follow each other in so many frames."""
    kind = FAMILIES[family]
    frames = frames or kind.frames
    if frames < kind.patch[0] or kind.by_rows and frames > kind.frames:
        raise InputError(
            f"frames={frames}: {family} takes {kind.patch[0]} to {kind.frames}"
        )
    return frames // kind.patch[0]


def _sines(height, width, dim):
    """Sines and cosines of the column, then of the row (row, column, dim)."""
    waves = LONGEST_WAVE ** -(torch.arange(dim // 4) / (dim / 4)).double()
    rows = torch.arange(height).view(-1, 1, 1).expand(-1, width, -1) * waves
    columns = torch.arange(width).view(1, -1, 1).expand(height, -1, -1) * waves
    parts = [f(x) for x in (columns, rows) for f in (torch.sin, torch.cos)]
    return torch.cat(parts, dim=2).float()


def _shape_of(size, family):
    """(dim, depth, heads) and the family."""
    if isinstance(size, str) and size in SIZES:
        return SIZES[size]
    check_choice("encoder: family", family, FAMILIES)
    return shape_of(size, SIZES, multiple=4), family
