"""A linear recurrence over time in parallel: h_t = a_t h_{t-1} + b_t.

Pairs of steps are one step of half as many (https://arxiv.org/abs/1709.04057),
so that the depth is the logarithm of the length, and the work linear in it.
"""

import torch


def linear_scan(decay, drive):
    """All states of h_t = a_t h_{t-1} + b_t, from h = 0 before the first.

    Arguments
    ---------
    decay : torch.Tensor
        a, (batch, token, ...)
    drive : torch.Tensor
        b, of the same shape.

    Returns
    -------
    torch.Tensor
        h, of the same shape.

    Example
    -------
    >>> linear_scan(torch.full((1, 4), 0.5), torch.ones(1, 4))
    tensor([[1.0000, 1.5000, 1.7500, 1.8750]])
    """
    return _Scan.apply(decay, drive)


class _Scan(torch.autograd.Function):
    """Its gradient is a scan from the last token to the first.

    With g the gradient of h and e of b, e_t = g_t + a_{t+1} e_{t+1}, and that
    of a is e_t h_{t-1}: nothing is kept but a and h.
    """

    @staticmethod
    def forward(ctx, decay, drive):
        states = _scan(decay, drive)
        ctx.save_for_backward(decay, states)
        return states

    @staticmethod
    def backward(ctx, gradient):
        decay, states = ctx.saved_tensors
        later = torch.cat([decay[:, 1:], decay[:, :1]], dim=1)
        drive = _scan(later.flip(1), gradient.flip(1)).flip(1)
        before = torch.zeros_like(states)
        before[:, 1:] = states[:, :-1]
        return drive * before, drive


def _scan(a, b):
    length = b.shape[1]
    if length < 2:
        return b.clone()
    pairs = length // 2
    a_even, a_odd, b_even, b_odd = a[:, ::2], a[:, 1::2], b[:, ::2], b[:, 1::2]
    odd = _scan(
        a_odd * a_even[:, :pairs],
        torch.addcmul(b_odd, a_odd, b_even[:, :pairs]),
    )
    # nothing is written in place: a graph would copy the whole for each part
    before = [torch.zeros_like(b[:, :1]), odd[:, : length - pairs - 1]]
    even = torch.addcmul(b_even, a_even, torch.cat(before, dim=1))
    h = torch.stack([even[:, :pairs], odd], dim=2).flatten(1, 2)
    return torch.cat([h, even[:, pairs:]], dim=1) if length % 2 else h
