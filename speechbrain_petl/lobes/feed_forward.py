"""Frozen feed-forwards that keep half as much for the gradient.

Most of what a training step keeps are the hidden units of the feed-forwards,
four times as wide as the tokens. Where these are frozen, the gradient needs only
the slope of GELU at each of them, a number between -0.13 and 1.13: 16 bits hold
it. And some tokens after the others need room for the units of some only.
"""

import torch
from timm.layers import Mlp
from torch import nn

from .attention import runs_on_cpu

# hidden units of one product, and of one pass over slopes
PRODUCT, PASS = 2560 * 3072, 256 * 3072
STEEPEST = 1.13  # above the largest slope of GELU, 1.1290
UNITS = (2**15 - 1) / STEEPEST  # what a slope of 1 is in 16 bits


class FeedForward(Mlp):
    """timm's feed-forward; in training a frozen one is ``CpuFeedForward``.

    That is on a CPU, in fp32. Its names and its state are timm's, and so are
    its arguments. Elsewhere, under ``torch.compile``, with dropout, and where
    anything in it trains or is wrapped, it computes as timm's does.

    Example
    -------
    >>> mlp = FeedForward(32, 128).requires_grad_(False)
    >>> mlp(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def forward(self, x):
        """Transform each token.

        Arguments
        ---------
        x : torch.Tensor
            Tokens (batch, token, dim).

        Returns
        -------
        torch.Tensor
            Of the same shape.
        """
        if not self._is_frozen(x):
            return super().forward(x)
        first, second = self.fc1, self.fc2
        return CpuFeedForward.apply(
            x, first.weight, first.bias, second.weight, second.bias
        )

    def _is_frozen(self, x):
        """Whether there is a gradient to compute, and none but that of x."""
        if not (torch.is_grad_enabled() and x.requires_grad and runs_on_cpu(x)):
            return False
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return False
        kinds = [type(m) for m in (self.fc1, self.act, self.norm, self.fc2)]
        if kinds != [nn.Linear, nn.GELU, nn.Identity, nn.Linear]:
            return False
        if self.act.approximate != "none" or None in (
            self.fc1.bias,
            self.fc2.bias,
        ):
            return False
        drops = self.training and (self.drop1.p or self.drop2.p)
        return not drops and not any(p.requires_grad for p in self.parameters())


class CpuFeedForward(torch.autograd.Function):
    """W2 GELU(W1 x + b1) + b2 of some rows after the others, all frozen.

    The slopes of GELU are kept in 16 bits, each within 1.8e-5.

    Example
    -------
    >>> x = torch.randn(3, 10, 32, requires_grad=True)
    >>> a, b = torch.randn(64, 32), torch.randn(32, 64)
    >>> CpuFeedForward.apply(x, a, torch.zeros(64), b, torch.zeros(32)).shape
    torch.Size([3, 10, 32])
    """

    @staticmethod
    def forward(ctx, x, w1, b1, w2, b2):
        """Transform each row.

        Arguments
        ---------
        ctx : object
            Of autograd.
        x : torch.Tensor
            Tokens (..., dim).
        w1 : torch.Tensor
            Weight (hidden, dim).
        b1 : torch.Tensor
            Bias (hidden,).
        w2 : torch.Tensor
            Weight (dim, hidden).
        b2 : torch.Tensor
            Bias (dim,).

        Returns
        -------
        torch.Tensor
            Of the shape of x.
        """
        rows = x.flatten(0, -2)
        out = rows.new_empty(len(rows), len(w2))
        slopes = out.new_empty(len(rows), len(w1), dtype=torch.int16)
        many, few = _tokens(PRODUCT, w1), _tokens(PASS, w1)
        units = out.new_full((min(few, len(rows)), len(w1)), UNITS)
        room = out.new_empty(2, min(many, len(rows)), len(w1))
        for some in _slices(len(rows), many):
            part = rows[some]
            h, y = room[:, : len(part)]
            torch.addmm(b1, part, w1.t(), out=h)
            torch.ops.aten.gelu.out(h, out=y)
            torch.addmm(b2, y, w2.t(), out=out[some])
            for n in _slices(len(part), few):
                slope = torch.ops.aten.gelu_backward(units[: len(h[n])], h[n])
                slopes[some][n] = slope.round_()
        ctx.save_for_backward(slopes, w1, w2)
        return out.view(x.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        """Gradient of the rows.

        Arguments
        ---------
        ctx : object
            Of autograd.
        grad : torch.Tensor
            Of the shape of the output.

        Returns
        -------
        tuple
            Gradient of the first argument, and None for the others.
        """
        slopes, w1, w2 = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        out = rows.new_empty(len(rows), w1.shape[1])
        many = _tokens(PRODUCT, w1)
        room = rows.new_empty(min(many, len(rows)), len(w1))
        for some in _slices(len(rows), many):
            part, place = rows[some], out[some]
            h = room[: len(part)]
            torch.mm(part, w2, out=h)
            h.mul_(slopes[some])
            torch.addmm(place, h, w1, beta=0, alpha=1 / UNITS, out=place)
        return out.view(grad.shape), None, None, None, None


def _tokens(units, w1):
    """How many tokens have so many hidden units."""
    return max(1, units // len(w1))


def _slices(rows, step):
    return [slice(n, n + step) for n in range(0, rows, step)]
