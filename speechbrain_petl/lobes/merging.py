"""Token merging at inference (https://arxiv.org/abs/2210.09461).

Between the blocks, the patches that are most alike become one, their mean.
After the last block each patch gets back a token, that of the patches it was
merged with, so that whoever takes the tokens notices nothing. Unlike in the
paper, tokens are compared themselves, not their keys, and a merged token
counts once in attention.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..adapters.probe import WeightedLayers
from ..errors import InputError

FIRST = 2  # the class and the distillation token, which stay


class Blocks(nn.Sequential):
    """A stack of blocks that may merge tokens between them, in evaluation.

    Arguments
    ---------
    *blocks : torch.nn.Module
        Each takes tokens (batch, token, dim) and returns as many.
    merging : float
        Share of the patches that the last block does without, 0 to 0.9; as
        many are merged before each block but the first.

    Example
    -------
    >>> blocks = Blocks(nn.Identity(), nn.Identity(), merging=0.5).eval()
    >>> blocks(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, *blocks, merging=0.0):
        super().__init__(*blocks)
        if merging and (not 0 < merging <= 0.9 or len(self) < 2):
            raise InputError(
                f"token_merging={merging} of {len(self)} blocks: give a share "
                "from 0 to 0.9, and at least 2 blocks"
            )
        self.merging = merging

    @property
    def keeps_tokens(self):
        """Whether each block takes what the one before has returned."""
        return not self.merging

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        patches = x.shape[1] - FIRST
        count = round(self.merging / max(len(self) - 1, 1) * patches)
        if self.training or not count:
            return super().forward(x)
        place = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        size = x.new_ones(*x.shape[:2], 1)
        for number, block in enumerate(self):
            if number:
                x, size, moved = merge(x, size, count)
                place = moved.gather(1, place)
            x = block(x)
        # every token has its place again
        return x.gather(1, place.unsqueeze(2).expand(-1, -1, x.shape[2]))


def merge_tokens(encoder, share=0.5):
    """Let an AST that is there already merge tokens in evaluation.

    Arguments
    ---------
    encoder : torch.nn.Module
        An AST or an AdaptedEncoder of one, such as the "encoder" of the mods
        of an ``AudioClassifier``. Changed in place.
    share : float
        As ``merging`` of ``Blocks``; 0 for none.

    Returns
    -------
    torch.nn.Module
        The encoder.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> encoder = merge_tokens(AST((32, 3, 2), frames=100), share=0.5).eval()
    >>> encoder(torch.randn(3, 100, 128)).shape
    torch.Size([3, 110, 32])
    """
    stacks = [m for m in encoder.modules() if isinstance(m, Blocks)]
    if not stacks:
        raise InputError(
            f"merge_tokens: {type(encoder).__name__} is no AST and has no "
            "tokens to merge"
        )
    if any(isinstance(m, WeightedLayers) for m in encoder.modules()):
        raise InputError("merge_tokens: WeightedLayers needs all tokens")
    for stack in stacks:
        stack.merging = Blocks(*stack, merging=share).merging
    return encoder


def merge(x, size, count):
    """Merge pairs of similar tokens, one of odd and one of even place.

    Arguments
    ---------
    x : torch.Tensor
        Tokens (batch, token, dim), of which the first two stay.
    size : torch.Tensor
        How many patches each stands for (batch, token, 1).
    count : int
        How many tokens to take away.

    Returns
    -------
    x : torch.Tensor
        (batch, token - count, dim)
    size : torch.Tensor
        (batch, token - count, 1)
    place : torch.Tensor
        Where each of the tokens is now (batch, token).

    Example
    -------
    >>> x, size = torch.tensor([0.0, 1, 5, 7, 5]).view(1, 5, 1), None
    >>> x, size, place = merge(x, torch.ones(1, 5, 1), 1)
    >>> x.flatten(), place
    (tensor([0., 1., 5., 6.]), tensor([[0, 1, 3, 3, 2]]))
    """
    first = FIRST
    directions = F.normalize(x[:, first:].float(), dim=2)
    even, odd = directions[:, ::2], directions[:, 1::2]
    count = min(count, odd.shape[1])
    likeness, partner = (even @ odd.transpose(1, 2)).max(dim=2)
    order = likeness.argsort(dim=1, descending=True, stable=True)
    gone, kept = order[:, :count], order[:, count:]
    target = partner.gather(1, gone)  # among the odd ones
    sums = torch.cat([x * size, size], dim=2)
    classes, patches = sums.split([first, sums.shape[1] - first], dim=1)
    even, odd = patches[:, ::2], patches[:, 1::2]
    odd = odd.scatter_add(
        1, _wide(target, odd), even.gather(1, _wide(gone, even))
    )
    even = even.gather(1, _wide(kept, even))
    sums = torch.cat([classes, even, odd], dim=1)
    place = _places(kept, gone, target, odd.shape[1])
    size = sums[:, :, -1:]
    return (sums[:, :, :-1] / size).to(x.dtype), size, place


def _places(kept, gone, target, odd_count):
    """Where the class tokens, the even and the odd patches have gone."""
    batch, evens = len(kept), kept.shape[1] + gone.shape[1]
    first, kept_count = FIRST, kept.shape[1]
    place = kept.new_empty(batch, first + evens + odd_count)
    steps = torch.arange(place.shape[1], device=place.device)
    place[:, :first] = steps[:first]
    place[:, first + 1 :: 2] = first + kept_count + steps[:odd_count]
    even = place.new_empty(batch, evens)
    even.scatter_(1, kept, (first + steps[:kept_count]).expand(batch, -1))
    even.scatter_(1, gone, first + kept_count + target)
    place[:, first::2] = even
    return place


def _wide(index, like):
    return index.unsqueeze(2).expand(-1, -1, like.shape[2])
