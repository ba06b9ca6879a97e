"""What a wrapper asks of the module it wraps: width, device, output."""

from torch import nn

from ..errors import InputError, check_arguments


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
    >>> width_of(nn.Sequential(nn.GELU(), nn.Linear(32, 64)))
    32
    """
    for inner in module.modules():
        if isinstance(getattr(inner, "in_features", None), int):
            return inner.in_features
        if hasattr(inner, "normalized_shape"):
            return inner.normalized_shape[-1]
    raise InputError(
        f"{type(module).__name__} holds no Linear and no LayerNorm that tell "
        "the width of its input: set dim."
    )


def place_of(module):
    """Where a module's parameters are, to put new ones beside them.

    Arguments
    ---------
    module : torch.nn.Module
        What a wrapper was given.

    Returns
    -------
    dict
        The device and the dtype of its first floating point parameter.

    Example
    -------
    >>> place_of(nn.Linear(3, 2))
    {'device': device(type='cpu'), 'dtype': torch.float32}
    """
    for parameter in module.parameters():
        if parameter.is_floating_point():
            return {"device": parameter.device, "dtype": parameter.dtype}
    return {}


def build(block, module, dim=None):
    """Make a block that fits a module.

    Arguments
    ---------
    block : callable
        Takes ``dim`` and returns a module (batch, token, dim) -> same.
    module : torch.nn.Module
        The module to fit, in width, device and dtype.
    dim : int, optional
        The width, if the module does not tell it.

    Returns
    -------
    torch.nn.Module
        The new block.

    Example
    -------
    >>> from speechbrain_petl.adapters.blocks import Bottleneck
    >>> build(Bottleneck, nn.Linear(32, 96)).down
    Linear(in_features=32, out_features=12, bias=True)
    """
    if isinstance(block, nn.Module):
        raise InputError(
            f"block={type(block).__name__}(...) is one module, and every site "
            "needs its own: in the yaml file write !name: instead of !new:, "
            "or wrap it in Shared."
        )
    dim = dim or width_of(module)
    check_arguments(block, dim=dim, key="petl: block")
    return block(dim=dim).to(**place_of(module))


def on_first(output, change):
    """Change a module's output, or the first element of a tuple of them.

    Attentions of other libraries return (output, weights).

    Arguments
    ---------
    output : torch.Tensor or tuple
        What the wrapped module returned.
    change : callable
        Tensor -> tensor.

    Returns
    -------
    torch.Tensor or tuple
        As ``output``.

    Example
    -------
    >>> on_first((1, "weights"), lambda x: x + 1)
    (2, 'weights')
    """
    if isinstance(output, tuple):
        return (change(output[0]), *output[1:])
    return change(output)


def first_of(output):
    """A module's output, or the first element of a tuple of them.

    Arguments
    ---------
    output : torch.Tensor or tuple
        What a module returned.

    Returns
    -------
    torch.Tensor
        The tokens.

    Example
    -------
    >>> first_of((1, "weights"))
    1
    """
    return output[0] if isinstance(output, tuple) else output
