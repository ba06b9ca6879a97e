"""Token merging at inference (https://arxiv.org/abs/2210.09461).

Between the blocks, the patches that are most alike become one, their mean.
After the last block each patch gets back a token, that of the patches it was
merged with, so that whoever takes the tokens notices nothing. Unlike in the
paper, tokens are compared themselves, not their keys, and a merged token
counts once in attention.
"""

import torch
from torch.nn import functional as F

from ..errors import InputError
from .ast import CLASS_TOKENS


def merge_tokens(encoder, share=0.5):
    """Let an AST merge tokens in evaluation; training stays as it is.

    Arguments
    ---------
    encoder : torch.nn.Module
        An AST or an AdaptedEncoder of one. Changed in place.
    share : float
        Share of the patches that the last block does without, 0 to 0.9; as
        many are merged before each block but the first.

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
    blocks = list(_blocks_of(getattr(encoder, "encoder", encoder).blocks))
    if not 0 < share <= 0.9 or len(blocks) < 2:
        raise InputError(
            f"merge_tokens: share={share} of {len(blocks)} blocks: give a "
            "share above 0 and up to 0.9, and at least 2 blocks"
        )
    merging = _Merging(share / (len(blocks) - 1))
    blocks[0].register_forward_pre_hook(merging.start)
    for block in blocks[1:]:
        block.register_forward_pre_hook(merging.merge)
    blocks[-1].register_forward_hook(merging.finish)
    return encoder


class _Merging:
    """What is where, from the first block to the last."""

    def __init__(self, share):
        self.share = share

    def start(self, block, arguments):
        """Each token is itself."""
        x = arguments[0]
        self.length = x.shape[1]
        self.place = torch.arange(self.length, device=x.device)
        self.place = self.place.expand(len(x), -1)
        self.size = x.new_ones(*x.shape[:2], 1)

    def merge(self, block, arguments):
        """Merge so many of the most similar tokens."""
        x, *rest = arguments
        count = round(self.share * (self.length - CLASS_TOKENS))
        if block.training or not count:
            return None
        x, self.size, moved = merge(x, self.size, count)
        self.place = moved.gather(1, self.place)
        return (x, *rest)

    def finish(self, block, arguments, y):
        """Give every token its place again."""
        if block.training:
            return None
        return y.gather(1, self.place.unsqueeze(2).expand(-1, -1, y.shape[2]))


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
    first = CLASS_TOKENS
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
    first, kept_count = CLASS_TOKENS, kept.shape[1]
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


def _blocks_of(blocks):
    """The blocks themselves, if a prompt or a probe wraps the stack."""
    return getattr(blocks, "pretrained_module", blocks)
