"""What all conversions of state dicts share: names, thirds, statements."""

import re
from fnmatch import fnmatchcase

import torch

from ..errors import InputError


def rename(state, names, ignored):
    """Rename the tensors of a state dict, and leave some out.

    Arguments
    ---------
    state : dict
        Name -> tensor.
    names : dict
        Regular expression -> what takes its place, one after the other.
    ignored : iterable of str
        Globs over the names of tensors to leave out.

    Returns
    -------
    dict
        New name -> tensor.

    Example
    -------
    >>> list(
    ...     rename({"v.norm.bias": 0, "head.bias": 0}, {"^v.": ""}, ["head.*"])
    ... )
    ['norm.bias']
    """
    renamed = {}
    for key, tensor in state.items():
        if any(fnmatchcase(key, pattern) for pattern in ignored):
            continue
        for pattern, name in names.items():
            key = re.sub(pattern, name, key)
        renamed[key] = tensor
    return renamed


def fuse_qkv(state):
    """Put queries, keys and values into one tensor, as timm has them.

    Arguments
    ---------
    state : dict
        Name -> tensor, of which ``attn.q``, ``attn.k`` and ``attn.v`` become
        ``attn.qkv``; a bias that keys alone do not have is zero.

    Returns
    -------
    dict
        The same dict.

    Example
    -------
    >>> state = {f"attn.{part}.weight": torch.ones(2, 2) for part in "qkv"}
    >>> fuse_qkv(state)["attn.qkv.weight"].shape
    torch.Size([6, 2])
    """
    for query in [name for name in state if "attn.q." in name]:
        names = [query.replace("attn.q.", f"attn.{part}.") for part in "qkv"]
        if query.endswith(".bias") and names[2] in state:
            state.setdefault(names[1], torch.zeros_like(state[query]))
        if all(name in state for name in names):
            fused = query.replace("attn.q.", "attn.qkv.")
            state[fused] = torch.cat([state.pop(name) for name in names])
    return state


def check_stated(metadata, own, remedy, file=None):
    """Refuse a file that states another model than the encoder is.

    Arguments
    ---------
    metadata : dict
        What is stated beside the weights.
    own : dict
        Name of a statement -> its value here.
    remedy : str
        What to do about it, for the error message.
    file : str or os.PathLike, optional
        That states it, if who calls does not name it.

    Example
    -------
    >>> check_stated({"heads": 4, "layers": 2}, {"heads": 4}, "set `heads`")
    """
    for key, value in own.items():
        if metadata.get(key, value) != value:
            raise InputError(
                (f"{file}: " if file else "")
                + f"these weights are of a model with {key}={metadata[key]!r}, "
                f"as is stated beside them, and this one has {value!r}: "
                f"{remedy}"
            )
