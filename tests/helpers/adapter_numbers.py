"""Numbers for the tests of the methods against their formulas."""

import torch

BATCH, TOKENS, DIM, HEADS = 2, 14, 16, 4


def scrambled(module, seed=0):
    """Replace every parameter, zero ones too, by random numbers."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(0.5 * noise)
    return module.eval()


def tokens(seed=1):
    """A batch of tokens."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, TOKENS, DIM, generator=generator)


def softmax(values):
    """A softmax as the papers write it."""
    exponentials = [torch.exp(v) for v in values]
    return [e / sum(exponentials) for e in exponentials]
