"""How wide the tokens are that a module takes, and those that it returns."""

from ..errors import InputError


def width_of(module):
    """The width of the tokens that a module takes.

    It is that of the first Linear or normalisation found, wrapped ones
    included: right for projections, attentions, feed-forwards, whole blocks
    and stacks of them.

    Arguments
    ---------
    module : torch.nn.Module
        What a wrapper was given.

    Returns
    -------
    int
        The last dimension of the module's input.

    Example
    -------
    >>> from torch import nn
    >>> width_of(nn.Sequential(nn.GELU(), nn.Linear(32, 64)))
    32
    """
    for width, _ in _layers(module):
        return width
    raise InputError(
        f"{type(module).__name__} holds no Linear and no LayerNorm that tell "
        "the width of its input: set dim."
    )


def output_width_of(module):
    """The width of the tokens that a module returns, as ``width_of``.

    It is that of the last Linear or normalisation, leaving out those that
    take something else than the tokens or what was made of them, such as the
    gates of WavLM's attention, which take one head.

    Example
    -------
    >>> from torch import nn
    >>> output_width_of(nn.Sequential(nn.Linear(32, 64), nn.GELU()))
    64
    """
    last = width_of(module)
    seen = {last}
    for width, output in _layers(module):
        if width in seen:
            seen.add(output)
            last = output
    return last


def common_width_of(module):
    """The width of a module that returns tokens as wide as those it takes.

    Example
    -------
    >>> from torch import nn
    >>> common_width_of(nn.Linear(32, 32))
    32
    """
    width, output = width_of(module), output_width_of(module)
    if width != output:
        raise InputError(
            f"this {type(module).__name__} makes tokens of {output} numbers "
            f"out of tokens of {width}: nothing can be beside it. Let the "
            "glob name an attention, a feed-forward or a layer; or, for an "
            "Adapter, set where: before or where: after"
        )
    return width


def linear(module, wrapper):
    """A module that a wrapper of Linears was given, if it is one.

    Arguments
    ---------
    module : torch.nn.Module
        A Linear, or what stands for one and tells its widths.
    wrapper : str
        What needs one, for the error message.

    Returns
    -------
    torch.nn.Module
        The module.

    Example
    -------
    >>> from torch import nn
    >>> linear(nn.Linear(32, 64), "LoRA")
    Linear(in_features=32, out_features=64, bias=True)
    """
    if not isinstance(getattr(module, "out_features", None), int):
        raise InputError(
            f"{wrapper} wraps a Linear, and this is a "
            f"{type(module).__name__}: let the glob name the Linears inside"
        )
    return module


def _layers(module):
    """(input, output) width of what tells them, wrapped ones included."""
    if hasattr(module, "pretrained_module"):
        return _layers(module.pretrained_module)
    if isinstance(getattr(module, "in_features", None), int):
        return [(module.in_features, module.out_features)]
    if hasattr(module, "normalized_shape"):
        return [(module.normalized_shape[-1],) * 2]
    return [pair for inner in module.children() for pair in _layers(inner)]
