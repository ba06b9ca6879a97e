"""What a wrapper asks of the module it wraps: fit, device, dtype, output."""

from functools import partial

from torch import nn

from ..errors import InputError, check_arguments, check_count

PACKAGE = __package__.partition(".")[0]
# arguments of wrappers and blocks that say how many
SIZES = ("rank", "width", "tokens", "experts", "slots", "kernel")


def wrapped(wrapper, module, name):
    """Wrap a module of an encoder; what is refused is refused by its name.

    Arguments
    ---------
    wrapper : callable
        Takes the module and returns its replacement.
    module : torch.nn.Module
        The module.
    name : str
        Its name in the encoder.

    Returns
    -------
    torch.nn.Module
        The replacement.

    Example
    -------
    >>> from speechbrain_petl import LoRA
    >>> wrapped(LoRA, nn.Linear(32, 32), "q_proj").out_features
    32
    """
    key = f"petl: wrap: {name}"
    # a list that its owner iterates over, which no wrapper can stand for
    if type(module).forward is nn.Module.forward:
        raise InputError(
            f"{key}: this {type(module).__name__} is never called, so that "
            "nothing can be wrapped around it: name what is inside"
        )
    check_arguments(wrapper, module, key=key)
    _check_sizes(wrapper, key)
    try:
        return wrapper(module)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
    # whatever torch or PEFT says of a wrong argument; a stranger's wrapper
    # keeps its own errors
    except Exception as error:
        if not _is_ours(wrapper):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{key}: {reason}") from error


def begin(wrapper):
    """Tell what a wrapper is made with that another encoder's sites follow.

    Arguments
    ---------
    wrapper : callable
        As for ``wrapped``; what it is given, too, if it has a ``begin``.

    Example
    -------
    >>> from speechbrain_petl import Adapter, Shared, TokenMixer
    >>> block = Shared(TokenMixer, ["up"])
    >>> first = block(dim=32)
    >>> begin(partial(Adapter, block=block))
    >>> block(dim=32).up is first.up
    False
    """
    if isinstance(wrapper, partial):
        for value in wrapper.keywords.values():
            begin(value)
    elif hasattr(wrapper, "begin"):
        wrapper.begin()


def _check_sizes(wrapper, key):
    """Refuse a rank, a width, ... that is no number of things."""
    for name, value in getattr(wrapper, "keywords", {}).items():
        if isinstance(value, partial):
            _check_sizes(value, f"{key}: {name}")
        elif name in SIZES and _is_ours(wrapper):
            check_count(f"{key}: {name}", value)


def _is_ours(wrapper):
    while isinstance(wrapper, partial):
        wrapper = wrapper.func
    return str(wrapper.__module__).startswith(f"{PACKAGE}.")


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
