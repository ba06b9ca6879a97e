"""Whether names and shapes of a state dict are those of an encoder."""

import re

from ..errors import InputError
from .files import ACCEPTED

SHOWN = 3  # keys of each kind in an error message


def check_fit(state, encoder, file):
    """Refuse names and shapes that are not the encoder's.

    Arguments
    ---------
    state : dict
        With the names of the encoder; the number of positions is free.
    encoder : torch.nn.Module
        That would take it.
    file : str or os.PathLike
        Where it comes from.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> encoder = AST((32, 2, 2), frames=64)
    >>> check_fit(encoder.state_dict(), encoder, "ast.pt")
    """
    built = encoder.state_dict()
    own = {k: _shape(k, v) for k, v in built.items()}
    read = {k: _shape(k, v) for k, v in state.items()}
    problems = {
        "missing": [k for k in own if k not in read],
        "unexpected": [k for k in read if k not in own],
        "of another shape": [
            f"{k} {read[k]} instead of {own[k]}"
            for k in own
            if k in read and read[k] != own[k]
        ],
    }
    if any(problems.values()):
        found = "; ".join(f"{k}: {few(v)}" for k, v in problems.items() if v)
        raise InputError(
            f"{file} does not fit {type(encoder).__name__} of dim "
            f"{encoder.dim}{_depth(own)}: {found}. Set `ast_size` or "
            "`encoder_size` to the size of the checkpoint, or name another. "
            f"{ACCEPTED}"
        )
    check_values(state, file, built)


def check_values(state, file, built=None):
    """Refuse whole numbers, whose scale is elsewhere, and what has diverged.

    Arguments
    ---------
    state : dict
        Name -> tensor.
    file : str or os.PathLike
        Where it comes from.
    built : dict, optional
        Of the module that would take it, as built: a counter or a mask may
        be such there, too.

    Example
    -------
    >>> import torch
    >>> check_values({"bias": torch.ones(2)}, "ast.pt")
    """
    tests = {"of whole numbers": _is_whole, "not finite": _is_infinite}
    problems = {
        what: [
            k
            for k, v in state.items()
            if test(v) and not (built and test(built[k]))
        ]
        for what, test in tests.items()
    }
    found = "; ".join(f"{k}: {few(v)}" for k, v in problems.items() if v)
    if found:
        raise InputError(
            f"{file} holds what no weights can be, {found}. Take another, of "
            "floating point numbers"
        )


def depth_of(names):
    """How many blocks or layers the names of tensors tell of.

    Example
    -------
    >>> depth_of(["blocks.0.norm1.bias", "blocks.11.norm1.bias", "norm.bias"])
    12
    """
    numbers = [
        re.findall(r"(?<![^.])(?:blocks|layers)\.(\d+)", n) for n in names
    ]
    return max((int(found[0]) + 1 for found in numbers if found), default=0)


def few(names):
    """The first names of many, as text.

    Example
    -------
    >>> few("abcde")
    'a, b, c and 2 more'
    """
    names = list(names)
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _is_whole(tensor):
    return not tensor.is_floating_point()


def _is_infinite(tensor):
    return not tensor.float().isfinite().all()


def _depth(names):
    depth = depth_of(names)
    return f" and depth {depth}" if depth else ""


def _shape(key, tensor):
    shape = list(tensor.shape)
    if key == "pos_embed":
        shape[1:2] = ["token"]
    return "(" + ", ".join(map(str, shape)) + ")"
