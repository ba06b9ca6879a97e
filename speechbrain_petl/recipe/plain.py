"""A yaml tree as plain data, in which tags are keys.

``!new:speechbrain_petl.AST {frames: 500}`` is
``{"!new:speechbrain_petl.AST": {"frames": 500}}``, as adapter.json has it.
"""

from ruamel.yaml.scalarbool import ScalarBoolean

from .yaml_files import tag_of

REF = "!ref"


def plain_tree(node, names=None):
    """Dicts, lists, texts, numbers, booleans and None.

    Arguments
    ---------
    node : object
        As ``yaml_files.load_yaml`` returns it, or a part of it.
    names : dict, optional
        id of a node -> name, for nodes that are to be named, not repeated:
        ``{"!ref": name}``.

    Returns
    -------
    object
        The same as plain data.

    Example
    -------
    >>> from speechbrain_petl.recipe.yaml_files import load_yaml
    >>> plain_tree(load_yaml("net: !new:torch.nn.Linear [3, 4]", "a file"))
    {'net': {'!new:torch.nn.Linear': [3, 4]}}
    """
    names = names or {}
    if id(node) in names:
        return {REF: names[id(node)]}
    tag = tag_of(node)
    tag = tag if tag and tag.startswith("!") else None
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
