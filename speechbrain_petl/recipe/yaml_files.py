"""Yaml files with HyperPyYAML's tags: read, write, override, as plain data."""

from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from ..errors import InputError

REF = "!ref"
# what HyperPyYAML 1.2 makes of <encoder.rows>: [encoder, rows]
ATTRIBUTE = "!apply:getattr"


def _yaml():
    """Reads and writes as upstream's yaml checks want it."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.boolean_representation = ["False", "True"]
    yaml.width = 4096  # long values stay on their line
    yaml.indent(mapping=4, sequence=6, offset=4)
    return yaml


def read_yaml(path):
    """Read a file that holds a mapping, with tags and comments.

    Arguments
    ---------
    path : str or os.PathLike
        The file.

    Returns
    -------
    ruamel.yaml.comments.CommentedMap
        As ``load_yaml`` returns it.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return load_yaml(text, path)


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


def plain_tree(node, names=None):
    """Dicts, lists, texts, numbers, booleans and None, in which tags are keys.

    Arguments
    ---------
    node : object
        As ``load_yaml`` returns it, or a part of it.
    names : dict, optional
        id of a node -> name, for nodes that are to be named, not repeated:
        ``{"!ref": name}``, and ``{"!ref": "name.attribute"}`` for what is
        read from one.

    Returns
    -------
    object
        The same as plain data, as adapter.json has it.

    Example
    -------
    >>> plain_tree(load_yaml("net: !new:torch.nn.Linear [3, 4]", "a file"))
    {'net': {'!new:torch.nn.Linear': [3, 4]}}
    """
    names = names or {}
    if id(node) in names:
        return {REF: names[id(node)]}
    tag = tag_of(node)
    tag = tag if tag and tag.startswith("!") else None
    if tag == ATTRIBUTE and id(node[0]) in names:
        return {REF: f"{names[id(node[0])]}.{node[1]}"}
    if isinstance(node, dict):
        plain = {str(k): plain_tree(v, names) for k, v in node.items()}
    elif isinstance(node, list):
        plain = [plain_tree(item, names) for item in node]
    else:
        plain = _scalar(getattr(node, "value", node) if tag else node)
        plain = plain or {} if tag else plain  # a class without arguments
    return {tag: plain} if tag else plain


def _scalar(node):
    """A single value, of which ruamel has kinds of its own."""
    if isinstance(node, (bool, ScalarBoolean)):
        return bool(node)
    for kind in (int, float):
        if isinstance(node, kind):
            return kind(node)
    return None if node is None else str(node)
