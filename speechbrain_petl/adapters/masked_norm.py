"""Batch normalisation that leaves padding out, without waiting for the device."""

import torch
from torch import nn


def masked_batch_norm(norm, x, mask):
    """What a BatchNorm makes in training of the tokens that are no padding.

    ``norm(x[mask])`` would be the same, but a GPU has to be waited for until it
    is known how many tokens that are.

    Arguments
    ---------
    norm : torch.nn.BatchNorm1d or torch.nn.SyncBatchNorm
        Its statistics are moved on; the latter's are those of all processes.
    x : torch.Tensor
        Tokens (batch, token, channel).
    mask : torch.Tensor
        True where a clip has a token (batch, token).

    Returns
    -------
    torch.Tensor
        Of the same shape, fp32; without meaning for padding.

    Example
    -------
    >>> norm, x = nn.BatchNorm1d(4), torch.randn(2, 5, 4)
    >>> mask = torch.arange(5) < torch.tensor([[5], [2]])
    >>> y = masked_batch_norm(norm, x, mask)
    >>> torch.allclose(y[mask], nn.BatchNorm1d(4)(x[mask]), atol=1e-5)
    True
    """
    synced = isinstance(norm, nn.SyncBatchNorm)
    total = _TotalOfProcesses.apply if synced else torch.clone
    x, mask = x.float(), mask.unsqueeze(2)
    count = total(mask.sum().float())
    mean = total((x * mask).sum((0, 1))) / count
    centred = (x - mean) * mask
    variance = total(centred.square().sum((0, 1))) / count
    with torch.no_grad():
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, norm.momentum)
        unbiased = variance * count / (count - 1).clamp(min=1)
        norm.running_var.lerp_(unbiased, norm.momentum)
    y = centred * torch.rsqrt(variance + norm.eps)
    return y * norm.weight + norm.bias


class _TotalOfProcesses(torch.autograd.Function):
    """The sum over all processes, and that of their gradients."""

    @staticmethod
    def forward(ctx, x):
        """Of any tensor."""
        x = x.clone()
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(x)
        return x

    backward = forward
