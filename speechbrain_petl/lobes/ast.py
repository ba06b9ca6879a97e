"""The Audio Spectrogram Transformer (https://arxiv.org/abs/2104.01778).

A distilled vision transformer (two class tokens) over the overlapping patches
of a log-mel spectrogram, on timm's blocks and with timm's names.
"""

from functools import partial

import torch
from timm.layers import PatchDropout
from timm.models.vision_transformer import Block
from torch import nn

from ..errors import InputError
from .checkpointing import check_level, checkpointed
from .merging import MergingBlocks
from .sizes import CLASS_TOKENS, shape_of

SIZES = {  # dim, depth, heads
    "tiny224": (192, 12, 3),
    "small224": (384, 12, 6),
    "base224": (768, 12, 12),
    "base384": (768, 12, 12),
}
PATCH = 16  # mels and frames that one patch spans
EPSILON = 1e-6  # of LayerNorm
BLOCK = partial(Block, qkv_bias=True)


class PlainAST(nn.Module):
    """Spectrogram (batch, frame, mel) to tokens (batch, token, dim).

    Token 0 and 1 are the class and the distillation token; the patches
    follow, all frames of the lowest mels first. Published in
    https://arxiv.org/abs/2104.01778.

    Arguments
    ---------
    size : str or sequence of int
        A name of SIZES, or (dim, depth, heads). 224 and 384
        are the image sizes of the DeiT weights that the original starts
        from; base224 and base384 are the same network here.
    mels : int
        Number of mel filters of the input.
    frames : int
        Number of frames of the input.
    fstride : int
        Mels from one patch to the next; 16 is without overlap.
    tstride : int
        Frames from one patch to the next; 16 is without overlap.
    dropout : float
        Dropout after the position embedding and inside the blocks.
    block : callable
        Makes a block.
    epsilon : float
        Of every LayerNorm; Hugging Face's AST has 1e-12.

    Example
    -------
    >>> encoder = PlainAST((32, 2, 2), frames=100)
    >>> encoder(torch.randn(3, 100, 128)).shape
    torch.Size([3, 110, 32])
    >>> encoder.grid
    (12, 9)
    """

    def __init__(
        self,
        size="base384",
        mels=128,
        frames=1024,
        fstride=10,
        tstride=10,
        dropout=0.0,
        block=BLOCK,
        epsilon=EPSILON,
    ):
        super().__init__()
        self.dim, depth, heads = shape_of(size, SIZES, "ast_size")
        self.input_shape = (frames, mels)
        self.strides = (fstride, tstride)
        self.grid = _grid(mels, frames, fstride, tstride)
        self.patch_embed = nn.ModuleDict(
            {"proj": nn.Conv2d(1, self.dim, PATCH, stride=self.strides)}
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, self.dim))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, self.dim))
        tokens = CLASS_TOKENS + self.grid[0] * self.grid[1]
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, self.dim))
        self.pos_drop = nn.Dropout(dropout)
        norm = partial(nn.LayerNorm, eps=epsilon)
        options = {"proj_drop": dropout, "norm_layer": norm}
        self.blocks = nn.Sequential(
            *(block(self.dim, heads, **options) for _ in range(depth))
        )
        self.norm = norm(self.dim)
        self._initialise()

    def _initialise(self):
        for parameter in (self.cls_token, self.dist_token, self.pos_embed):
            nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, spectrogram, samples=None):
        """Normalised log-mel spectrogram (batch, frame, mel) to tokens.

        (batch, token, dim), after the last LayerNorm. ``samples`` are not used:
        padding is silence to the AST, in its pretraining too.
        """
        return self.norm(self.blocks(self.embed(spectrogram)))

    def embed(self, spectrogram):
        """Patches, class tokens and positions (batch, token, dim)."""
        if spectrogram.shape[1:] != self.input_shape:
            raise InputError(
                "the AST was built for (frames, mels) = "
                f"{self.input_shape} and was given "
                f"{tuple(spectrogram.shape[1:])}: set `frames` and `mels` "
                "of the AST and of the filterbank alike"
            )
        image = spectrogram.transpose(1, 2).unsqueeze(1)
        x = self.patch_embed["proj"](image).flatten(2).transpose(1, 2)
        first = torch.cat([self.cls_token, self.dist_token], dim=1)
        x = torch.cat([first.expand(len(x), -1, -1), x], dim=1)
        return self.pos_drop(x + self.pos_embed)


class AST(PlainAST):
    """``PlainAST`` with what saves time and memory.

    Arguments
    ---------
    size, mels, frames, fstride, tstride, dropout
        As for ``PlainAST``.
    patch_dropout : float
        Ratio of the patches left out of each training step, drawn per clip
        (https://arxiv.org/abs/2110.05069).
    gradient_checkpointing : bool or str
        Keep no activations inside the blocks and compute them again in the
        backward pass: less memory, more time, and on a CPU, where a Brain
        then returns large blocks of memory, more still. "selective" keeps
        what is dearest to compute, see ``checkpointed``.
    token_merging : float
        Of the patches, how many the last block does without in evaluation, 0
        to 0.9: see ``MergingBlocks``.
    source_input : list of int, optional
        [frames, fstride, tstride] that the pretrained weights were trained
        with, for a file that does not state them and is not one of AudioSet.
    distillation : bool
        False leaves the distillation token out after its position was added,
        as the prompts of https://arxiv.org/abs/2312.03694 do; the pooling then
        takes ``class_tokens: 1``.
    epsilon : float
        As for ``PlainAST``.

    Example
    -------
    >>> encoder = AST((32, 2, 2), frames=100, patch_dropout=0.5)
    >>> encoder(torch.randn(3, 100, 128)).shape
    torch.Size([3, 56, 32])
    """

    def __init__(
        self,
        size="base384",
        mels=128,
        frames=1024,
        fstride=10,
        tstride=10,
        patch_dropout=0.0,
        dropout=0.0,
        gradient_checkpointing=False,
        token_merging=0.0,
        source_input=None,
        distillation=True,
        epsilon=EPSILON,
    ):
        shape = (size, mels, frames, fstride, tstride)
        super().__init__(*shape, dropout, epsilon=epsilon)
        self.source_input, self.distillation = source_input, distillation
        self._check(patch_dropout or token_merging)
        self.gradient_checkpointing = check_level(gradient_checkpointing)
        # if set, forward takes the tokens that enter this block: see training/cache
        self.start = None
        self.patch_drop = nn.Identity()
        if patch_dropout:
            self.patch_drop = PatchDropout(
                patch_dropout, num_prefix_tokens=CLASS_TOKENS, ordered=True
            )
        if token_merging:
            self.blocks = MergingBlocks(*self.blocks, ratio=token_merging)

    def _check(self, fewer):
        given = self.source_input
        numbers = list(given) if isinstance(given, (list, tuple)) else []
        whole = [*map(type, numbers)] == [int] * 3 and min(numbers) > 0
        if given is not None and not whole:
            raise InputError(
                f"source_input={given}: give [frames, fstride, tstride]"
            )
        if fewer and not self.distillation:
            raise InputError(
                "distillation=False: without patch_dropout and token_merging"
            )

    def forward(self, spectrogram, samples=None):
        """As ``PlainAST``."""
        if self.start is None:
            x, blocks = self.embed(spectrogram), self.blocks
        else:
            x, blocks = spectrogram, self.blocks[self.start :]
        if self.gradient_checkpointing and self.training:
            level = self.gradient_checkpointing
            return self.norm(checkpointed(blocks, x, level=level))
        return self.norm(blocks(x))

    def finish(self, x):
        """What the blocks return to tokens, both (batch, token, dim)."""
        return self.norm(x)

    def embed(self, spectrogram):
        """As ``PlainAST``, without the patches that a step leaves out."""
        x = self.patch_drop(super().embed(spectrogram))
        return x if self.distillation else torch.cat([x[:, :1], x[:, 2:]], 1)


def _grid(mels, frames, fstride, tstride):
    """How many patches fit along (mel, frame)."""
    if mels < PATCH or frames < PATCH:
        raise InputError(
            f"frames={frames} and mels={mels}: the AST needs at least "
            f"{PATCH} of each, the size of one patch"
        )
    return (mels - PATCH) // fstride + 1, (frames - PATCH) // tstride + 1
