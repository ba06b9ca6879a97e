"""Globs over the names of modules and parameters."""

import re
from fnmatch import fnmatchcase

from ..errors import InputError, did_you_mean

NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")  # a part of a name
FROM_THE_END = re.compile(r"(?<![^.|])-")


def match(glob, names, key):
    """The names that a glob matches; at least one.

    ``|`` separates alternatives, of which one must match, ``*`` crosses dots,
    and numbers may count from the end: ``blocks.-1`` is the last block.

    Arguments
    ---------
    glob : str
        The glob.
    names : iterable of str
        Of all modules or of all parameters of an encoder.
    key : str
        Where the glob was given, for the error message.

    Returns
    -------
    list of str
        The names, in their order.

    Example
    -------
    >>> names = [f"blocks.{i}.norm" for i in range(12)]
    >>> match("blocks.-[12].*|*.0.norm", names, "train")
    ['blocks.0.norm', 'blocks.10.norm', 'blocks.11.norm']
    """
    globs = glob.split("|")
    also = _from_the_end(names) if FROM_THE_END.search(glob) else {}
    found = [
        name
        for name in names
        for spellings in [(name, *also.get(name, ()))]
        if name and any(fnmatchcase(n, g) for n in spellings for g in globs)
    ]
    if not found:
        raise InputError(
            f"{key}: the glob {glob!r} matches nothing in this encoder."
            f"{did_you_mean(glob, _globs_of(names))} print(encoder) shows the "
            "names."
        )
    return found


def _from_the_end(names):
    """Name -> the same with one number counted from the end, for each."""
    stacks, counts = {}, {}
    for name in names:
        stacks[name] = [
            (name[: found.start()], int(found[0]), name[found.end() :])
            for found in NUMBER.finditer(name)
        ]
        for stack, number, _ in stacks[name]:
            counts[stack] = max(counts.get(stack, 0), number + 1)
    return {
        name: [f"{s}{number - counts[s]}{rest}" for s, number, rest in found]
        for name, found in stacks.items()
    }


def _globs_of(names):
    """The names themselves, and the globs that one would write for them."""
    starred = {re.sub(r"\d+", "*", name) for name in names}
    return {*names, *starred, *(re.sub(r"[^.]+$", "*", n) for n in starred)}
