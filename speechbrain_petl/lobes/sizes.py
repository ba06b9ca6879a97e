"""The size of an encoder: a name, or the numbers of a small one."""

from numbers import Integral

from ..errors import InputError, did_you_mean

CLASS_TOKENS = 2  # the first ones of the AST, one of them for distillation


def shape_of(size, sizes, key="encoder_size", multiple=1):
    """Width, depth and number of heads.

    Arguments
    ---------
    size : str or sequence of int
        A name, or (dim, depth, heads).
    sizes : dict
        Name -> (dim, depth, heads).
    key : str
        Of the yaml file, for the error message.
    multiple : int
        What the width is a multiple of, besides the heads.

    Returns
    -------
    tuple of int
        (dim, depth, heads)

    Example
    -------
    >>> shape_of([32, 2, 4], {"base": (768, 12, 12)}, multiple=16)
    (32, 2, 4)
    """
    if isinstance(size, str) and size in sizes:
        return sizes[size]
    shape = tuple(size) if isinstance(size, (list, tuple)) else ()
    whole = all(isinstance(n, Integral) and n > 0 for n in shape)
    if len(shape) == 3 and whole:
        if not shape[0] % shape[2] and not shape[0] % multiple:
            return shape
    also = f" and of {multiple}" if multiple > 1 else ""
    raise InputError(
        f"{key}={size!r} is neither one of {', '.join(sizes)} nor [dim, depth, "
        f"heads] with a dim that is a multiple of heads{also}, such as "
        f"[32, 2, 4].{did_you_mean(str(size), sizes)}"
    )
