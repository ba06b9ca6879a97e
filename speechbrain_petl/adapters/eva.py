"""EVA: the down-projections of LoRA start where their inputs vary most.

https://arxiv.org/abs/2410.07170, with the same rank for every layer.
"""

import torch

from ..errors import InputError
from .lora import LoRA
from .masks import mask_of

BATCHES = 16  # that are looked at


def waits_for_inputs(module):
    """The LoRA layers of a module that start at what their inputs tell.

    Example
    -------
    >>> waits_for_inputs(LoRA(torch.nn.Linear(8, 8), rank=2))
    []
    """
    return [
        layer
        for layer in module.modules()
        if isinstance(layer, LoRA) and layer.init == "eva"
    ]


@torch.no_grad()
def eva_start(module, run, batches):
    """Let A be the first right singular vectors of what its layer was given.

    The inputs of all batches count alike, those of padding not at all. What
    a run trains does this by itself, with a few training batches.

    Arguments
    ---------
    module : torch.nn.Module
        An AdaptedEncoder whose method has LoRA with ``init: eva``.
    run : callable
        Takes a batch and runs the encoder on it.
    batches : iterable
        Of some of the training data.

    Example
    -------
    >>> layer = LoRA(torch.nn.Linear(8, 8), rank=2, init="eva")
    >>> x = torch.randn(3, 10, 2) @ torch.randn(2, 8)  # of two dimensions
    >>> eva_start(layer, layer, [x])
    >>> down = layer.down[0]
    >>> torch.allclose(x @ down.t() @ down, x, atol=1e-4)
    True
    """
    layers, moments = waits_for_inputs(module), {}

    def count(layer, args):
        x, mask = args[0], None
        if x.dim() == 3:
            mask = mask_of(x)
        rows = (x.flatten(0, -2) if mask is None else x[mask]).float()
        with torch.autocast(x.device.type, enabled=False):  # all of it in fp32
            moments[layer] = moments.get(layer, 0) + rows.t() @ rows

    hooks = [layer.register_forward_pre_hook(count) for layer in layers]
    training = module.training
    module.eval()
    try:
        for batch in batches:
            run(batch)
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    for layer in layers:
        if layer not in moments:
            raise InputError(
                "LoRA: init='eva' needs inputs, and no batch reached a layer"
            )
        # in ascending order of the eigenvalues
        directions = torch.linalg.eigh(moments[layer])[1].t().flip(0)
        layer.down.copy_(
            directions[: layer.down.shape[1]].expand_as(layer.down)
        )
