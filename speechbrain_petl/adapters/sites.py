"""What a wrapper asks of the module it wraps: device, output, a block for it."""

PACKAGE = __package__.partition(".")[0]
# arguments of wrappers and blocks that say how many
SIZES = ("rank", "width", "tokens", "experts", "slots")


def device_and_dtype(module):
    """The device and dtype of a module, for new parameters beside its own.

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
    >>> from torch import nn
    >>> device_and_dtype(nn.Linear(3, 2))
    {'device': device(type='cpu'), 'dtype': torch.float32}
    """
    for parameter in module.parameters():
        if parameter.is_floating_point():
            return {"device": parameter.device, "dtype": parameter.dtype}
    return {}


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

    Example
    -------
    >>> first_of((1, "weights"))
    1
    """
    return output[0] if isinstance(output, tuple) else output
