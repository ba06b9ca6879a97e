"""Spans of tokens masked in training, as wav2vec 2.0 is fine-tuned."""

import torch
from torch import nn
from torch.nn import functional as F


class TimeMasking(nn.Module):
    """Puts a learned vector in the place of spans of tokens, in training only.

    https://arxiv.org/abs/2006.11477; the numbers are those of transformers,
    whose models have it on by default. Spans may overlap; none reaches past
    the end of its clip, and a clip shorter than one has none.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    share : float
        Of the tokens that spans would cover, if none overlapped.
    span : int
        Tokens.
    fewest : int
        Spans of a clip.

    Example
    -------
    >>> masking = TimeMasking(32)
    >>> masking(torch.randn(3, 100, 32), torch.tensor([100, 50, 5])).shape
    torch.Size([3, 100, 32])
    """

    def __init__(self, dim, share=0.05, span=10, fewest=2):
        super().__init__()
        self.share, self.span, self.fewest = share, span, fewest
        self.embedding = nn.Parameter(torch.rand(dim))

    def forward(self, x, counts=None):
        """Tokens (batch, token, dim), of which ``counts`` are a clip's own."""
        if not self.training:
            return x
        if counts is None:
            counts = x.new_full((len(x),), x.shape[1], dtype=torch.long)
        masked = self.spans(counts.to(x.device), x.shape[1])
        return torch.where(masked.unsqueeze(2), self.embedding.to(x.dtype), x)

    def spans(self, counts, length):
        """Which tokens are masked (batch, token).

        ``counts`` (batch,) are the tokens of each clip, of ``length`` in all.
        """
        rounding = torch.rand((), device=counts.device)
        number = (self.share * counts / self.span + rounding).long()
        number = number.clamp(min=self.fewest, max=length // self.span)
        # a start for each, drawn without replacement
        drawn = torch.rand(len(counts), length, device=counts.device)
        place = torch.arange(length, device=counts.device)
        possible = place < (counts - self.span + 1).unsqueeze(1)
        order = drawn.masked_fill(~possible, -1).argsort(descending=True)
        first = order.argsort() < number.unsqueeze(1)
        starts = (first & possible).float().unsqueeze(1)
        starts = F.pad(starts, (self.span - 1, 0))
        return F.max_pool1d(starts, self.span, stride=1).squeeze(1) > 0
