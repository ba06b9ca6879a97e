"""What no override may do: one line that says so, before any work."""

import math

from ruamel.yaml.comments import TaggedScalar

from ..errors import InputError
from .yaml_files import tag_of

KINDS = {  # of a value in base.yaml -> what may replace it
    bool: (bool, "True or False"),
    int: (int, "a whole number"),
    float: ((float, int), "a number"),
    dict: (dict, "a mapping, {key: value}"),
}


def refuse_lost(base, overrides, base_file):
    """Refuse what HyperPyYAML would not do, or do something else.

    It merges ``!new:A {...}`` into ``!new:B {...}`` and makes a B, and cannot
    put a mapping in the place of a scalar.

    Arguments
    ---------
    base : dict
        What is overridden.
    overrides : dict
        What is put over it.
    base_file : str
        Where the base is, for the error message.
    """
    for key, value in overrides.items():
        if not isinstance(value, dict) or key not in base:
            continue
        old = base[key]
        if not isinstance(old, dict):
            raise InputError(
                f"{key}: a mapping cannot replace `{old}`. Change it in "
                f"{base_file}."
            )
        if tag_of(value) not in (None, tag_of(old)):
            raise InputError(
                f"{key}: {tag_of(value)} {{...}} cannot replace {tag_of(old)}. "
                f"Change it in {base_file}, or give {tag_of(value)} without "
                "arguments."
            )
        refuse_lost(old, value, base_file)


def refuse_another_kind(key, value, default, base_file):
    """Refuse what is no number where there was one, and so on.

    Arguments
    ---------
    key : str
        What is overridden.
    value : object
        The new value.
    default : object
        That of the base.
    base_file : str
        Where that is, for the error message.
    """
    kind = next((k for k in KINDS if isinstance(default, k)), None)
    if kind is None or isinstance(value, TaggedScalar):
        return
    fits = isinstance(value, KINDS[kind][0])
    fits = fits and isinstance(value, bool) == (kind is bool)
    if isinstance(value, float) and not math.isfinite(value):
        fits = False
    if not fits:
        there = "a mapping" if kind is dict else default
        raise InputError(
            f"{key}={'null' if value is None else value}: {base_file} has "
            f"{there} there, give {KINDS[kind][1]}"
        )


def refuse_placeholders(tree, base, base_file):
    """Refuse a ``!PLACEHOLDER`` that nothing has replaced.

    Arguments
    ---------
    tree : dict
        The base with its overrides.
    base : dict
        The base.
    base_file : str
        Where that is, for the error message.
    """
    missing = [
        key
        for key, value in base.items()
        if isinstance(value, TaggedScalar)
        and value.tag.value == "!PLACEHOLDER"
        and tree[key] in (value, None)
    ]
    if missing:
        raise InputError(
            f"{base_file} leaves {missing[0]} to you: add --{missing[0]}=..."
        )
