"""Batch normalisation without padding: BatchNorm's numbers, of all processes."""

import torch
from processes import PROCESSES, in_processes
from speechbrain_petl.adapters.masked_norm import masked_batch_norm
from torch import nn

CHANNELS = 4
MASK = torch.arange(6) < torch.tensor([[6], [2], [3], [1]])


def tokens():
    """Of four clips (clip, token, channel)."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 6, CHANNELS, generator=generator) * 3 + 1


def normalised(norm, rows):
    """Tokens, their gradient and the statistics, of some of the clips."""
    x, mask = tokens()[rows].requires_grad_(), MASK[rows]
    y = masked_batch_norm(norm, x, mask)
    (y[mask] ** 3).sum().backward()
    return y[mask].detach(), x.grad, dict(norm.named_buffers())


def test_as_batch_norm():
    """Tokens, gradient, statistics; padding has no gradient."""
    norm, theirs = nn.BatchNorm1d(CHANNELS), nn.BatchNorm1d(CHANNELS)
    y, gradient, statistics = normalised(norm, slice(None))
    x = tokens().requires_grad_()
    expected = theirs(x[MASK])
    (expected**3).sum().backward()
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(gradient, x.grad, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(statistics, dict(theirs.named_buffers()))
    assert not gradient[~MASK].any()


def shared_out(folder, rank):
    """Two clips for each process."""
    norm = nn.SyncBatchNorm(CHANNELS)
    rows = slice(2 * rank, 2 * rank + 2)
    torch.save(normalised(norm, rows), folder / f"{rank}.pt")


def test_processes_are_one(tmp_path):
    """SyncBatchNorm, which torch itself computes on a GPU only."""
    in_processes(shared_out, tmp_path)
    parts = [torch.load(tmp_path / f"{r}.pt") for r in range(PROCESSES)]
    y, gradient, statistics = normalised(nn.BatchNorm1d(CHANNELS), slice(None))
    torch.testing.assert_close(torch.cat([p[0] for p in parts]), y)
    torch.testing.assert_close(torch.cat([p[1] for p in parts]), gradient)
    for part in parts:
        torch.testing.assert_close(part[2], statistics)
