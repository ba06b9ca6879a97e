"""Whisper's encoder (https://arxiv.org/abs/2212.04356), on timm's blocks.

Its sites are the AST's, by timm's names, so that a method file for the one is
one for the other: ``blocks`` is the stack, ``blocks.?|blocks.??`` are its
layers, and in each ``attn`` with the fused ``qkv`` (``parts`` chooses) and
``proj``, ``mlp`` with ``fc1`` and ``fc2``, ``norm1`` and ``norm2``; ``norm``
is the last LayerNorm.
"""

import torch
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional as F

from ..adapters.masks import token_mask
from ..errors import InputError
from .checkpointing import check_level
from .log_mel import LONGEST_SECONDS, frames_of
from .mel_filters import HOP, SAMPLE_RATE
from .sizes import shape_of
from .vit_blocks import MaskedAttention, run_blocks

SIZES = {  # dim, depth, heads; those of .en are the same
    "tiny": (384, 4, 6),
    "base": (512, 6, 8),
    "small": (768, 12, 12),
    "medium": (1024, 24, 16),
    "large": (1280, 32, 20),  # to large-v3, which takes 128 mels, and turbo
}
STEP = 2 * HOP  # samples from one token to the next
POSITIONS = LONGEST_SECONDS * SAMPLE_RATE // STEP
LONGEST_WAVE = 10_000  # of the sinusoids that the positions are


class Whisper(nn.Module):
    """Log-mel spectrogram (batch, frame, mel) to tokens (batch, token, dim).

    A token comes every 20 ms. Clips of less than 30 s take the first of the
    positions; in a padded batch each is encoded as by itself. The positions
    stay as they are when a method file trains ``blocks.*`` and ``norm.*``.

    Arguments
    ---------
    size : str or sequence of int
        A name of SIZES, or (dim, depth, heads).
    mels : int
        Number of mel filters of the input; 80, or 128 of large-v3 and turbo.
    silence : bool
        Attend to the silence that ``LogMel`` with the same setting fills
        clips up with, as in the pretraining, not to a clip's tokens alone.
    dropout, gradient_checkpointing
        As for ``Wav2Vec2``.

    Example
    -------
    >>> encoder = Whisper((32, 2, 2))
    >>> encoder(torch.randn(3, 100, 80)).shape
    torch.Size([3, 50, 32])
    >>> encoder.tokens_of(torch.tensor([16000, 8000]))
    tensor([50, 25])
    """

    def __init__(
        self,
        size="tiny",
        mels=80,
        silence=False,
        dropout=0.0,
        gradient_checkpointing=False,
    ):
        super().__init__()
        self.dim, depth, heads = shape_of(size, SIZES, multiple=2)
        self.gradient_checkpointing = check_level(gradient_checkpointing)
        self.silence = silence
        # if set, forward takes what is before the last LayerNorm: see
        # training/cache/cached.py
        self.start = None
        self.conv1 = nn.Conv1d(mels, self.dim, 3, padding=1)
        self.conv2 = nn.Conv1d(self.dim, self.dim, 3, stride=2, padding=1)
        self.positions = nn.Parameter(_sinusoids(POSITIONS, self.dim))
        self.blocks = nn.Sequential(
            *(
                Block(
                    self.dim,
                    heads,
                    qkv_bias=True,
                    proj_drop=dropout,
                    norm_layer=nn.LayerNorm,
                    attn_layer=MaskedAttention,
                )
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(self.dim)

    def forward(self, spectrogram, samples=None):
        """What ``LogMel`` returns (batch, frame, mel) to tokens.

        See ``lobes.encoder``.
        """
        if self.start is not None:
            return self.norm(spectrogram)
        if self.silence:
            samples = None
        x, mask = self.embed(spectrogram, samples), None
        if samples is not None:
            mask = token_mask(self.tokens_of(samples), x.shape[1])
        return self.norm(run_blocks(self, x, mask))

    def finish(self, x):
        """What the blocks return to tokens, both (batch, token, dim)."""
        return self.norm(x)

    def embed(self, spectrogram, samples=None):
        """What the blocks take (batch, token, dim), with positions."""
        x = spectrogram.transpose(1, 2)
        if x.shape[2] > 2 * POSITIONS:
            raise InputError(
                f"{x.shape[2]} frames are more than the {2 * POSITIONS} that "
                f"Whisper has positions for: cut clips after {LONGEST_SECONDS} "
                "seconds or less"
            )
        past = None
        if samples is not None:
            past = ~token_mask(frames_of(samples), x.shape[2]).unsqueeze(1)
            x = x.masked_fill(past, 0)
        x = F.gelu(self.conv1(x))
        if past is not None:  # the next one sees zeros there, as at an end
            x = x.masked_fill(past, 0)
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        return x + self.positions[: x.shape[1]]

    def tokens_of(self, samples):
        """Tokens of each clip (batch,); at least one."""
        return (frames_of(samples) + 1) // 2


def _sinusoids(length, dim):
    """Whisper's positions: sines, then cosines, of ever longer waves."""
    waves = LONGEST_WAVE ** -torch.linspace(0, 1, dim // 2)
    angles = torch.arange(length).unsqueeze(1) * waves
    return torch.cat([angles.sin(), angles.cos()], dim=1)
