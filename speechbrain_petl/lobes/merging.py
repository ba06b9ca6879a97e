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

from ..errors import InputError
from .sizes import CLASS_TOKENS


class MergingBlocks(nn.Sequential):
    """A stack of blocks that merges tokens between them, in evaluation.

    Arguments
    ---------
    *blocks : torch.nn.Module
        Each takes tokens (batch, token, dim) and returns as many.
    ratio : float
        Of the patches, so many does the last block without, 0 to 0.9; as many
        are merged before each block but the first.

    Example
    -------
    >>> blocks = MergingBlocks(nn.Identity(), nn.Identity(), ratio=0.5)
    >>> blocks.eval()(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, *blocks, ratio=0.0):
        super().__init__(*blocks)
        if ratio and (not 0 < ratio <= 0.9 or len(self) < 2):
            raise InputError(
                f"token_merging={ratio} of {len(self)} blocks: give a ratio "
                "from 0 to 0.9, and at least 2 blocks"
            )
        self.ratio = ratio

    @property
    def keeps_tokens(self):
        """Whether each block takes what the one before has returned."""
        return not self.ratio

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        patches = x.shape[1] - CLASS_TOKENS
        count = round(self.ratio / max(len(self) - 1, 1) * patches)
        if self.training or not count:
            return super().forward(x)
        index = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        size = x.new_ones(*x.shape[:2], 1)
        for number, block in enumerate(self):
            if number:
                x, size, moved = merge_pairs(x, size, count)
                index = moved.gather(1, index)
            x = block(x)
        # every token is where it was again
        return x.gather(1, _wide(index, x))


def merge_pairs(x, size, count):
    """Merge pairs of similar tokens, one of odd and one of even index.

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
    index : torch.Tensor
        Where each of the tokens is now (batch, token).

    Example
    -------
    >>> x = torch.tensor([0.0, 1, 5, 7, 5]).view(1, 5, 1)
    >>> x, size, index = merge_pairs(x, torch.ones(1, 5, 1), 1)
    >>> x.flatten(), index
    (tensor([0., 1., 5., 6.]), tensor([[0, 1, 3, 3, 2]]))
    """
    directions = F.normalize(x[:, CLASS_TOKENS:].float(), dim=2)
    even, odd = directions[:, ::2], directions[:, 1::2]
    count = min(count, odd.shape[1])
    likeness, partner = (even @ odd.transpose(1, 2)).max(dim=2)
    order = likeness.argsort(dim=1, descending=True, stable=True)
    gone, kept = order[:, :count], order[:, count:]
    target = partner.gather(1, gone)  # among the odd ones
    sums = torch.cat([x * size, size], dim=2)
    classes, patches = sums.tensor_split([CLASS_TOKENS], dim=1)
    even, odd = patches[:, ::2], patches[:, 1::2]
    odd = odd.scatter_add(
        1, _wide(target, odd), even.gather(1, _wide(gone, even))
    )
    even = even.gather(1, _wide(kept, even))
    sums = torch.cat([classes, even, odd], dim=1)
    index = _indices(kept, gone, target, odd.shape[1])
    size = sums[:, :, -1:]
    return (sums[:, :, :-1] / size).to(x.dtype), size, index


def _indices(kept, gone, target, odd_count):
    """Where the class tokens, the even and the odd patches have gone."""
    batch, evens = len(kept), kept.shape[1] + gone.shape[1]
    first_odd = CLASS_TOKENS + kept.shape[1]
    index = kept.new_empty(batch, CLASS_TOKENS + evens + odd_count)
    steps = torch.arange(index.shape[1], device=index.device)
    index[:, :CLASS_TOKENS] = steps[:CLASS_TOKENS]
    index[:, CLASS_TOKENS + 1 :: 2] = first_odd + steps[:odd_count]
    even = index.new_empty(batch, evens)
    even.scatter_(1, kept, steps[CLASS_TOKENS:first_odd].expand(batch, -1))
    even.scatter_(1, gone, first_odd + target)
    index[:, CLASS_TOKENS::2] = even
    return index


def _wide(index, like):
    return index.unsqueeze(2).expand(-1, -1, like.shape[2])
