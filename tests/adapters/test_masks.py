"""Padding masks: each thread has its own, and torch.compile follows them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from encoder_methods import ENCODERS
from speechbrain_petl.adapters.masks import mask_of, padding_mask
from torch import nn


def in_threads(functions):
    """What functions return that run at the same time, each in a thread."""
    with ThreadPoolExecutor(len(functions)) as pool:
        return [f.result() for f in [pool.submit(f) for f in functions]]


def test_threads_have_masks_of_their_own():
    """Two are inside at the same time, and a third one outside."""
    masks = [torch.tensor([[True, True]]), torch.tensor([[True, False]])]
    together = threading.Barrier(3)

    def inside(mask):
        with padding_mask(mask):
            together.wait(timeout=10)
            found = mask_of(torch.zeros(1, 2, 4))
            together.wait(timeout=10)
        return found

    def outside():
        together.wait(timeout=10)
        found = mask_of(torch.zeros(1, 2, 4))
        together.wait(timeout=10)
        return found

    functions = [lambda m=m: inside(m) for m in masks]
    *found, none = in_threads([*functions, outside])
    assert all(torch.equal(a, b) for a, b in zip(found, masks))
    assert none is None and mask_of(torch.zeros(1, 2, 4)) is None


@torch.no_grad()
def test_padded_batches_in_threads():
    """wav2vec 2.0, whose first GroupNorm leaves out each clip's padding."""
    of, together = ENCODERS["wav2vec2"], threading.Barrier(2)
    encoder, batches = of.make().eval(), [(8000, 1000), (8000, 6000)]

    def encode(samples):
        lengths = torch.tensor(samples, dtype=torch.float)
        return encoder(of.features(samples), lengths)[1, :2]

    wanted = [encode(samples) for samples in batches]
    first = encoder.feature_extractor.conv_layers[0].conv

    def wait(*_):  # both are inside before either comes to the GroupNorm
        together.wait(timeout=10)

    first.register_forward_hook(wait)
    found = in_threads([lambda s=s: encode(s) for s in batches])
    for a, b in zip(found, wanted):
        torch.testing.assert_close(a, b)


class Masked(nn.Module):
    """A layer inside whose encoder there is a mask."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x, mask):
        with padding_mask(mask):
            y = self.layer(x)
            return y * mask_of(y).unsqueeze(2)


def test_compile_follows_in_every_thread():
    """One graph for all masks, the compiler's own thread or another."""
    module, x = Masked(), torch.randn(2, 3, 4)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    masks = torch.tensor([[[1, 1, 1], [1, 0, 0]], [[1, 0, 0], [1, 1, 0]]]) > 0
    for mask in masks:
        expected = module(x, mask)
        torch.testing.assert_close(compiled(x, mask), expected)
        (found,) = in_threads([lambda m=mask: compiled(x, m)])
        torch.testing.assert_close(found, expected)
