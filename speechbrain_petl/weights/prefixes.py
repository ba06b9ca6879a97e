"""What a training loop puts around the names of tensors, taken away.

DataParallel and DDP write ``module.``, Lightning the attribute that holds the
model; torch.compile, FSDP and checkpointing words of their own, at any depth.
"""

import re

from ..errors import InputError

INSIDE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
WRAPPERS = ("module.", "model.", "net.", "network.", "backbone.")


def without_wrappers(state):
    """The same for a model of which no tensor is known: what all names share.

    Arguments
    ---------
    state : dict
        Name -> tensor.

    Returns
    -------
    dict
        The same tensors without the words of WRAPPERS that all names begin with.

    Example
    -------
    >>> without_wrappers({"module._orig_mod.conv1.bias": 0, "module.norm": 1})
    {'conv1.bias': 0, 'norm': 1}
    """
    state = _without_inside(state)
    first = next(iter(state), "").partition(".")[0] + "."
    if first in WRAPPERS and all(name.startswith(first) for name in state):
        inner = {k.removeprefix(first): value for k, value in state.items()}
        return without_wrappers(inner)
    return state


def without_prefix(state, anchors, inner=""):
    """The names that a model gives its tensors by itself.

    Arguments
    ---------
    state : dict
        Name -> tensor.
    anchors : iterable of str
        Names of a tensor that every such model has; the first that ends a
        name here tells where the model's own names begin.
    inner : str
        A prefix that is the model's own.

    Returns
    -------
    dict
        The same tensors. Where there was a prefix, those without it, of a loss
        for example, are left out.

    Example
    -------
    >>> state = {"net._orig_mod.norm.bias": 0, "net.head": 1, "loss.weight": 2}
    >>> without_prefix(state, ["norm.bias"])
    {'norm.bias': 0, 'head': 1}
    """
    state = _without_inside(state)
    for anchor in anchors:
        found = {
            name.removesuffix(anchor).removesuffix(inner)
            for name in state
            if f".{name}".endswith(f".{anchor}")
        }
        if len(found) > 1:
            raise InputError(
                f"two models are in it, {' and '.join(sorted(found))}...: save "
                "the state dict of the one"
            )
        for prefix in found:
            return {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
    return state


def _without_inside(state):
    """The same tensors without the words of INSIDE in their names."""
    words = re.compile("|".join(map(re.escape, INSIDE)))
    return {words.sub("", name): value for name, value in state.items()}
