"""Where the product of LoRA starts: at zero, or at a part of the weight.

(weight, rank, scale) -> down, up; for "eva", ``eva.py`` has the last word.
"""

import math

import torch
from torch import nn

from ..errors import InputError, check_choice


def kaiming(weight, rank, scale):
    """Random times zero, https://arxiv.org/abs/2106.09685."""
    del scale
    down = weight.new_empty(rank, weight.shape[1])
    nn.init.kaiming_uniform_(down, a=math.sqrt(5))
    return down, weight.new_zeros(weight.shape[0], rank)


def pissa(weight, rank, scale):
    """The largest singular values, https://arxiv.org/abs/2404.02948."""
    left, values, right = torch.linalg.svd(weight.float(), full_matrices=False)
    root = (values[:rank] / scale).sqrt()
    return root.unsqueeze(1) * right[:rank], left[:, :rank] * root


def olora(weight, rank, scale):
    """The first columns of Q and rows of R, https://arxiv.org/abs/2406.01775."""
    del scale
    q, r = torch.linalg.qr(weight.float())
    return r[:rank], q[:, :rank]


INITS = {"kaiming": kaiming, "pissa": pissa, "olora": olora, "eva": kaiming}
MOVED = ("pissa", "olora")  # those that are no zero


def first_factors(init, weights, rank, scale, owner):
    """The factors of the product for each part of a weight.

    Arguments
    ---------
    init : str
        One of INITS.
    weights : list of torch.Tensor
        Of the parts (width, in_features).
    rank : int
        Width of the product.
    scale : float
        What it is multiplied by.
    owner : str
        Who asks, for the error message.

    Returns
    -------
    tuple
        down (part, rank, in_features) and up (part, width, rank)

    Example
    -------
    >>> weight = torch.diag(torch.tensor([9.0, 1.0, 4.0]))
    >>> down, up = first_factors("pissa", [weight], 2, 1.0, "LoRA")
    >>> torch.linalg.diagonal(up[0] @ down[0]).round()
    tensor([9., 0., 4.])
    """
    check_choice(f"{owner}: init", init, INITS)
    largest = min(weights[0].shape)
    if init != "kaiming" and rank > largest:
        raise InputError(
            f"{owner}: init={init!r} finds no more than {largest} directions "
            f"in a weight of {tuple(weights[0].shape)}: rank={rank} is too many"
        )
    if init == "pissa" and not scale > 0:
        raise InputError(
            f"{owner}: init='pissa' takes the root of a part of the weight by "
            "alpha: give an alpha above 0"
        )
    found = [INITS[init](w.detach(), rank, scale) for w in weights]
    downs, ups = ([x.to(w) for x, w in zip(x, weights)] for x in zip(*found))
    return torch.stack(downs), torch.stack(ups)
