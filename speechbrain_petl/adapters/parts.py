"""The queries, keys and values of a fused projection, one by one."""

from ..errors import InputError


def thirds(parts, layer, owner):
    """Where the chosen parts of a fused qkv output start, and their width.

    Arguments
    ---------
    parts : str or None
        Any of the letters of "qkv"; None is the whole output.
    layer : torch.nn.Linear
        The layer; a fused one yields three times as much as it takes.
    owner : str
        Who asks, for the error message.

    Returns
    -------
    tuple
        (list of starts, width)

    Example
    -------
    >>> from torch import nn
    >>> thirds("qv", nn.Linear(32, 96), "LoRA")
    ([0, 64], 32)
    """
    in_features, out_features = layer.in_features, layer.out_features
    if parts is None:
        return [0], out_features
    if not parts or set(parts) - set("qkv") or len(set(parts)) < len(parts):
        raise InputError(
            f"{owner}: parts={parts!r} is not a choice of the letters q, k, "
            "v; leave it out for a layer that is no fused qkv."
        )
    if out_features != 3 * in_features:
        raise InputError(
            f"{owner}: parts={parts!r} needs a fused qkv layer, and this "
            f"one's {out_features} outputs do not divide by three"
            f" times its {in_features} inputs. Leave parts out; where q, k and "
            "v are layers of their own, let the glob name them: *.[qv]_proj"
        )
    width = out_features // 3
    return [width * i for i in sorted(map("qkv".index, parts))], width


def spread(values, starts, size):
    """Lay the values of some parts into a vector that is 1 elsewhere.

    Arguments
    ---------
    values : torch.Tensor
        (part, width)
    starts : list of int
        Where each part starts.
    size : int
        Length of the vector.

    Returns
    -------
    torch.Tensor
        (size,)

    Example
    -------
    >>> import torch
    >>> spread(torch.zeros(1, 2), [2], 6)
    tensor([1., 1., 0., 0., 1., 1.])
    """
    whole = values.new_ones(size)
    for start, part in zip(starts, values):
        whole[start : start + len(part)] = part
    return whole
