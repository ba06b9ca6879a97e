"""What no two splits of a data set may share."""

from ..errors import InputError


def check_disjoint(splits, key, remedy):
    """Refuse splits that share a speaker, a recording, a song.

    Arguments
    ---------
    splits : dict
        split -> its manifest entries: id -> {key: ..., ...}. An entry without
        the key belongs to nobody.
    key : str
        The value that may not be in two splits.
    remedy : str
        What the user can do about it: the end of the message.

    Example
    -------
    >>> train = {"a": {"speaker": "Ann"}, "b": {"speaker": "Bob"}}
    >>> test = {"c": {"speaker": "Bob"}}
    >>> check_disjoint({"train": train, "test": test}, "speaker", "Mend it.")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: speaker Bob is in train (b) and in test (c). Mend it.
    """
    owners = {}
    for split, items in splits.items():
        for name, item in sorted(items.items()):
            if key not in item:
                continue
            first, clip = owners.setdefault(item[key], (split, name))
            if first != split:
                raise InputError(
                    f"{key} {item[key]} is in {first} ({clip}) and in {split} "
                    f"({name}). {remedy}"
                )
