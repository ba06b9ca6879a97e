"""Yaml files with HyperPyYAML's tags: read, write, override, check."""

from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar
from ruamel.yaml.error import YAMLError

from ..errors import InputError

KINDS = {  # of a value in base.yaml -> what may replace it
    bool: (bool, "True or False"),
    int: (int, "a whole number"),
    float: ((float, int), "a number"),
    dict: (dict, "a mapping, {key: value}"),
}


def _yaml():
    """Reads and writes as upstream's yaml checks want it."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.boolean_representation = ["False", "True"]
    yaml.width = 4096  # long values stay on their line
    yaml.indent(mapping=4, sequence=6, offset=4)
    return yaml


def load_yaml(text, place):
    """Read a mapping, with tags and comments.

    Arguments
    ---------
    text : str
        In yaml.
    place : str
        Where it comes from, for the error message.

    Returns
    -------
    ruamel.yaml.comments.CommentedMap
        Empty if there is nothing.

    Example
    -------
    >>> dict(load_yaml("seed: 1", "the command line"))
    {'seed': 1}
    """
    try:
        loaded = _yaml().load(text)
    except YAMLError as error:
        problem = getattr(error, "problem", error)
        mark = getattr(error, "context_mark", None)
        mark = mark or getattr(error, "problem_mark", None)
        line = [*text.splitlines(), ""][mark.line].strip() if mark else ""
        near = f" at `{line}`" if line else ""
        raise InputError(f"{place} is no valid yaml{near}: {problem}")
    if loaded is None:
        return YAML().map()
    if not isinstance(loaded, dict):
        raise InputError(f"{place} is no set of `key: value`: {text!r}")
    return loaded


def dump_yaml(tree):
    """Write a mapping as text.

    Arguments
    ---------
    tree : dict
        As ``load_yaml`` returns it.

    Returns
    -------
    str
        In yaml.
    """
    out = StringIO()
    _yaml().dump(tree, out)
    return out.getvalue().strip()


def update_yaml(tree, overrides):
    """As hyperpyyaml's, but a mapping may replace a scalar and null.

    Arguments
    ---------
    tree : dict
        Changed in place.
    overrides : dict
        What to put over it.
    """
    for key, value in overrides.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            update_yaml(tree[key], value)
        else:
            tree[key] = value


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
        if _tag(value) not in (None, _tag(old)):
            raise InputError(
                f"{key}: {_tag(value)} {{...}} cannot replace {_tag(old)}. "
                f"Change it in {base_file}, or give {_tag(value)} without "
                "arguments."
            )
        refuse_lost(old, value, base_file)


def _tag(tree):
    return tree.tag.value if hasattr(tree, "tag") else None


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
    is_bool = isinstance(value, bool)
    if not isinstance(value, KINDS[kind][0]) or is_bool != (kind is bool):
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
