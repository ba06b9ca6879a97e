"""Blocks that mix neighbouring tokens by convolution: Convpass, ConformerConvolution.

Convpass is https://arxiv.org/abs/2207.07039, the conformer adapter
https://arxiv.org/abs/2312.03694.
"""

from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from .blocks import activation_of, zero_linear
from .grid import Grid
from .masked_norm import masked_batch_norm
from .masks import apart, mask_of


class Convpass(nn.Module):
    """A bottleneck around a convolution: U act(conv(act(D x))).

    The convolution is 3x3 over the grid of patches, and the class tokens see
    only the centre of its kernel, as in https://arxiv.org/abs/2207.07039.
    Where the rows of the grid are not given, or patch dropout leaves no
    grid, it runs along the sequence, which is time in the AST and in
    wav2vec 2.0, as in https://arxiv.org/abs/2312.03694. 20,520 parameters
    for width 12 and dim 768 on the grid, 19,656 along the sequence.

    Arguments
    ---------
    dim, width, activation
        As for ``Bottleneck``.
    kernel : int
        Patches that the convolution spans in each direction; odd.
    rows : int, optional
        Rows of the grid, the patches along the mel axis: 12 for 128 mels and
        a stride of 10.
    class_tokens : int
        Number of tokens before the grid.
    dropout : float
        Before the up-projection; 0.1, with the activation "quick_gelu", is
        what both papers have.
    by_time : bool
        Whether patches are listed by time, as in ``ViT`` and ``BEATs``, which
        take clips of any length; by rows in the AST.

    Example
    -------
    >>> import torch
    >>> Convpass(32, width=4, rows=12)(torch.randn(3, 110, 32)).shape
    torch.Size([3, 110, 32])
    """

    def __init__(
        self,
        dim,
        width=12,
        kernel=3,
        rows=None,
        class_tokens=2,
        activation="gelu",
        dropout=0.0,
        by_time=False,
    ):
        super().__init__()
        if not kernel % 2:
            raise InputError(
                f"Convpass: kernel={kernel}: give an odd number, whose centre "
                "is on a token"
            )
        self.grid = Grid(rows, class_tokens, by_time) if rows else None
        self.down = nn.Linear(dim, width)
        self.activation = activation_of(activation)
        conv = nn.Conv2d if rows else nn.Conv1d
        self.conv = conv(width, width, kernel, padding=kernel // 2)
        # start as a plain bottleneck, the paper's choice
        nn.init.dirac_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)
        self.dropout = nn.Dropout(dropout)
        self.up = zero_linear(width, dim)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        x = self.activation(self.down(x))
        if self.grid:
            x = self._on_grid(x)
        else:
            x = apart(self._along_sequence, x)
        return self.up(self.dropout(self.activation(x)))

    def _along_sequence(self, x):
        return self.conv(x.transpose(1, 2)).transpose(1, 2)

    def _on_grid(self, x):
        """Convolve patches as an image, each class token as a single pixel."""
        first, patches = self.grid.split(x, "Convpass")
        patches = self.conv(patches.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        centre = self.conv.kernel_size[0] // 2
        pixel = self.conv.weight[:, :, centre, centre]
        first = F.linear(first, pixel, self.conv.bias)
        return self.grid.join(first, patches)


class ConformerConvolution(nn.Module):
    """The convolution module of a conformer, narrowed to a bottleneck.

    LayerNorm, pointwise to twice the width, GLU, depthwise along the tokens,
    BatchNorm, SiLU, pointwise back (https://arxiv.org/abs/2312.03694).
    21,024 parameters for width 8, kernel 31 and dim 768. Under gradient
    checkpointing the BatchNorm sees each batch twice, so that its statistics
    move faster.

    Arguments
    ---------
    dim : int
        Width of the tokens.
    width : int
        Width of the convolution.
    kernel : int
        Tokens that the convolution spans, odd or even; the length is kept.

    Example
    -------
    >>> import torch
    >>> ConformerConvolution(32, width=4, kernel=8)(
    ...     torch.randn(3, 10, 32)
    ... ).shape
    torch.Size([3, 10, 32])
    """

    def __init__(self, dim, width=8, kernel=31):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, 2 * width)
        self.depthwise = Depthwise(width, kernel)
        self.batch_norm = nn.BatchNorm1d(width)
        self.project = zero_linear(width, dim)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same shape."""
        x = apart(self.depthwise, F.glu(self.expand(self.norm(x))))
        return self.project(F.silu(self._normalised(x)))

    def _normalised(self, x):
        """BatchNorm, whose statistics are those of the clips' own tokens."""
        mask = mask_of(x)
        if mask is None or not self.batch_norm.training:
            return self.batch_norm(x.transpose(1, 2)).transpose(1, 2)
        return masked_batch_norm(self.batch_norm, x, mask)


class Depthwise(nn.Conv1d):
    """A convolution of each channel along the tokens that keeps their number.

    Arguments
    ---------
    channels : int
        Number of channels.
    kernel : int
        Length of the filters, odd or even.

    Example
    -------
    >>> import torch
    >>> Depthwise(4, 8)(torch.randn(3, 10, 4)).shape
    torch.Size([3, 10, 4])
    """

    def __init__(self, channels, kernel):
        super().__init__(
            channels, channels, kernel, padding=kernel // 2, groups=channels
        )

    def forward(self, x):
        """Tokens (batch, token, channel) to the same shape."""
        y = super().forward(x.transpose(1, 2)).transpose(1, 2)
        # an even kernel yields one token more than it was given: without the
        # first, (kernel - 1) // 2 are before each token, as in padding="same"
        return y[:, y.shape[1] - x.shape[1] :]
