"""LoRA of PEFT that starts at a part of the weight, with the weight as it was.

PEFT takes that part off the pretrained weight (PiSSA, OLoRA), so that what is
learned fits no pretrained weights that anybody has. Here the weight is put back,
and the part, as factors that a checkpoint holds, is taken off the output.
"""

from contextlib import contextmanager

import torch
from torch.nn import functional as F

from ..errors import InputError

NEEDS_DATA = ("eva", "corda", "lora_ga")  # inits that PEFT makes elsewhere
TOLERANCE = 1e-3  # of the entries of a weight, to their largest


@contextmanager
def kept_weights(module, init):
    """Inside, PEFT may change the weights of a module; after, they are back.

    Arguments
    ---------
    module : torch.nn.Module
        The pretrained one.
    init : object
        What PEFT was told as init_lora_weights.
    """
    if str(init).lower().startswith(NEEDS_DATA):
        raise InputError(
            f"PEFT: init_lora_weights={init!r} needs data when PEFT makes its "
            "layers: use LoRA, whose init: eva looks at training batches"
        )
    own = dict(module.named_parameters())
    before = {n: p.detach().clone() for n, p in own.items()}
    changed = {}
    yield changed
    for name, parameter in own.items():
        was = before[name]
        if parameter.is_meta or torch.equal(parameter, was):
            continue
        changed[parameter] = parameter.detach() - was
        parameter.data = was


def take_off(layer, changed, init):
    """Let a layer of PEFT take its start off its output.

    Arguments
    ---------
    layer : torch.nn.Module
        A tuned layer, whose weight is back.
    changed : dict
        Parameter -> what PEFT had added, from ``kept_weights``.
    init : object
        For the error message.
    """
    weight = getattr(layer.get_base_layer(), "weight", None)
    if weight is None or weight not in changed:
        return
    scale, part = 0.0, None
    if hasattr(layer, "lora_A") and not layer.lora_variant:
        (name,) = layer.lora_A
        down = layer.lora_A[name].weight.detach().clone()
        up = layer.lora_B[name].weight.detach().clone()
        scale = layer.scaling[name]
        part = -scale * up @ down
    close = TOLERANCE * weight.detach().abs().max().item()
    if part is None or not torch.allclose(
        part.to(weight), changed[weight], atol=close
    ):
        raise InputError(
            f"PEFT: init_lora_weights={init!r} changes pretrained weights by "
            "more than the product of LoRA starts at: what is learned could "
            "not be loaded again. Use another, or LoRA and its init"
        )
    layer.register_buffer("first_down", down)
    layer.register_buffer("first_up", scale * up)
    layer.register_forward_hook(_without_start)


def _without_start(layer, args, output):
    low = F.linear(args[0], layer.first_down)
    return (output - F.linear(low, layer.first_up)).to(output.dtype)


def merge(layer):
    """As a tuned layer's own merge, its start taken off.

    Arguments
    ---------
    layer : torch.nn.Module
        A tuned layer of PEFT.
    """
    layer.merge()
    if hasattr(layer, "first_up"):
        weight = layer.get_base_layer().weight
        weight.data -= (layer.first_up @ layer.first_down).to(weight.dtype)
