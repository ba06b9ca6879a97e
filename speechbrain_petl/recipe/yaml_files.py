"""Yaml files with HyperPyYAML's tags: read, write, override."""

from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import InputError


def _yaml():
    """Reads and writes as upstream's yaml checks want it."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.boolean_representation = ["False", "True"]
    yaml.width = 4096  # long values stay on their line
    yaml.indent(mapping=4, sequence=6, offset=4)
    return yaml


def load_yaml(text, name):
    """Read a mapping, with tags and comments.

    Arguments
    ---------
    text : str
        In yaml.
    name : str
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
        raise InputError(f"{name} is no valid yaml{near}: {problem}")
    if loaded is None:
        return YAML().map()
    if not isinstance(loaded, dict):
        raise InputError(f"{name} is no set of `key: value`: {text!r}")
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
    """As hyperpyyaml's, but what has another tag replaces what is there.

    So does a mapping that comes in the place of a scalar or null.

    Arguments
    ---------
    tree : dict
        Changed in place.
    overrides : dict
        What to put over it.
    """
    for key, value in overrides.items():
        old = tree.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        if both and tag_of(value) in (None, tag_of(old)):
            update_yaml(old, value)
        else:
            tree[key] = value


def tag_of(node):
    """The tag of a node of a tree.

    Arguments
    ---------
    node : object
        A mapping, a list or a single value.

    Returns
    -------
    str
        Such as "!name:torch.nn.Linear"; None without one.

    Example
    -------
    >>> tag_of(load_yaml("a: !new:B {c: 1}", "a file")["a"])
    '!new:B'
    """
    return getattr(getattr(node, "tag", None), "value", None)
