"""The patches of a spectrogram where they are: in rows of mels, columns of time."""

import torch

from ..errors import InputError
from .masks import mask_of


class Grid:
    """How an encoder lists the patches of a spectrogram.

    Arguments
    ---------
    rows : int
        Patches along the mel axis.
    class_tokens : int
        Tokens before the patches.
    by_time : bool
        Whether all rows of the first time come first, as in ``ViT`` and
        ``BEATs``, or all times of the lowest row, as in the AST.

    Example
    -------
    >>> grid = Grid(12, class_tokens=2)
    >>> first, patches = grid.split(torch.randn(3, 110, 32), "Convpass")
    >>> patches.shape
    torch.Size([3, 12, 9, 32])
    >>> grid.join(first, patches).shape
    torch.Size([3, 110, 32])
    """

    def __init__(self, rows, class_tokens=2, by_time=False):
        self.rows, self.class_tokens = rows, class_tokens
        self.by_time = by_time

    def split(self, x, owner):
        """The class tokens, and the patches in their places.

        Arguments
        ---------
        x : torch.Tensor
            Tokens (batch, token, dim).
        owner : str
            Who asks, for the error message.

        Returns
        -------
        tuple
            (batch, class token, dim) and (batch, row, column, dim); patches
            that are padding are zero.
        """
        mask = mask_of(x)
        if mask is not None:
            if not self.by_time:
                raise InputError(
                    f"{owner}: rows={self.rows} is a grid for clips of one "
                    "length, and this encoder takes clips of any. Where it "
                    "lists patches by time, set by_time: True; else leave "
                    "rows out to convolve along the sequence."
                )
            x = x.masked_fill(~mask.unsqueeze(2), 0)
        first, patches = x.tensor_split([self.class_tokens], dim=1)
        if patches.shape[1] % self.rows:
            raise InputError(
                f"{owner}: {patches.shape[1]} patches after "
                f"{self.class_tokens} class tokens make no grid of "
                f"rows={self.rows}: correct rows or class_tokens, or leave "
                "rows out to convolve along the sequence."
            )
        if self.by_time:
            return first, patches.unflatten(1, (-1, self.rows)).transpose(1, 2)
        return first, patches.unflatten(1, (self.rows, -1))

    def join(self, first, patches):
        """What ``split`` returned to tokens (batch, token, dim)."""
        if self.by_time:
            patches = patches.transpose(1, 2)
        return torch.cat([first, patches.flatten(1, 2)], dim=1)
