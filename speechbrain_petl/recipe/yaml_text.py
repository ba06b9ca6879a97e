"""One yaml text laid over another: what is not overridden stays as it is written.

Headers, comments, blank lines, ``null`` and quotes are kept, which a tree of
values does not.
"""

import re

import yaml

from .yaml_files import dump_yaml, load_yaml, update_yaml

MAPPING = "tag:yaml.org,2002:map"  # of a mapping without a tag


def header_of(text):
    """The comment that a file begins with.

    Arguments
    ---------
    text : str
        In yaml.

    Returns
    -------
    str
        Its lines; empty if there is none.

    Example
    -------
    >>> header_of("# LoRA\\n# rank 6\\nlr: 1 # high\\n")
    '# LoRA\\n# rank 6\\n'
    """
    return re.match(r"(#.*\n)*", text)[0]


def overlay(text, other):
    """The entries of one text in the place of those of another.

    As ``update_yaml`` does it with trees. A comment beside an entry is the
    new one's, or else the old one's.

    Arguments
    ---------
    text : str
        A mapping, in yaml.
    other : str
        What to lay over it.

    Returns
    -------
    str
        In yaml.

    Example
    -------
    >>> print(overlay("lr: 1 # high\\nshots: null\\n", "# LoRA\\nlr: 2"))
    lr: 2 # high
    shots: null
    <BLANKLINE>
    """
    if not other.strip():
        return text
    edits = []
    _compare(_Text(text), _Text(other), edits)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def entry(text, *names):
    """What is written of one entry of a mapping, its comment included.

    Arguments
    ---------
    text : str
        A mapping, in yaml.
    *names : str
        Its key, and those of the mappings inside.

    Returns
    -------
    str
        In yaml, not indented.

    Example
    -------
    >>> entry("petl:\\n    wrap: {} # none\\n", "petl", "wrap")
    'wrap: {} # none'
    """
    mapping = _Text(text)
    for name in names[:-1]:
        mapping = mapping.inner(name)
    column = mapping.entries[names[-1]][0].start_mark.column
    return mapping.entry(names[-1]).replace("\n" + " " * column, "\n")


class _Text:
    """A mapping of a text, with where its entries are."""

    def __init__(self, text, node=None):
        self.text = text
        self.node = yaml.compose(text) if node is None else node
        self.entries = {key.value: (key, value) for key, value in node_of(self)}

    def inner(self, name):
        """The mapping that is the value of an entry."""
        return _Text(self.text, self.entries[name][1])

    def comment(self, name):
        """Start and end of the comment on the line of an entry."""
        key, value = self.entries[name]
        stop = self.text.find("\n", key.end_mark.index)
        stop = len(self.text) if stop < 0 else stop
        single = value.start_mark.line == key.start_mark.line
        # behind the value, or the tag, that stands on the line of the key
        start = key.end_mark.index
        if single and _end(value) <= stop:
            start = max(start, _end(value))
        found = re.compile(r"[ \t]+#.*").search(self.text, start, stop)
        return found.span() if found else (stop, stop)

    def entry(self, name):
        """What is written of an entry, its comment included."""
        key, value = self.entries[name]
        end = max(_end(value), self.comment(name)[1])
        return self.text[key.start_mark.index : end]


def node_of(mapping):
    """The pairs of keys and values of a mapping; none of what is no mapping."""
    node = mapping.node
    return node.value if isinstance(node, yaml.MappingNode) else ()


def _end(node):
    """Where the last of a node is written; comments follow the marks of yaml."""
    if getattr(node, "flow_style", True) or not node.value:
        return node.end_mark.index
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _compare(old, new, edits):
    """Collect what to replace: (start, end, text)."""
    for name in new.entries:
        if name not in old.entries:
            edits.append(_added(old, new, name))
            continue
        before, after = old.entries[name][1], new.entries[name][1]
        nested = all(isinstance(n, yaml.MappingNode) for n in (before, after))
        nested = nested and after.tag in (MAPPING, before.tag)
        if nested and before.value and not before.flow_style:
            _compare(old.inner(name), new.inner(name), edits)
        elif nested and before.value:
            edits.append(_replaced(old, name, _merged(old, new, name)))
        else:
            edits.append(_replaced(old, name, _moved(old, new, name)))


def _replaced(old, name, entry):
    """Another entry, with the comment of the old one if it has none."""
    key, value = old.entries[name]
    start, stop = old.comment(name)
    first, newline, rest = entry.partition("\n")
    if not re.search(r"\s#", first):
        first += old.text[start:stop]
    end = max(_end(value), stop)
    return key.start_mark.index, end, first + newline + rest


def _moved(old, new, name):
    """An entry with the indentation of the mapping that takes it up."""
    key = new.entries[name][0]
    column = next(iter(old.entries.values()))[0].start_mark.column
    indent = " " * (column - key.start_mark.column)
    return new.entry(name).replace("\n", "\n" + indent)


def _added(old, new, name):
    last = list(old.entries)[-1]
    place = max(_end(old.entries[last][1]), old.comment(last)[1])
    column = old.entries[last][0].start_mark.column
    return place, place, "\n" + " " * column + _moved(old, new, name)


def _merged(old, new, name):
    """An entry whose value is written in one line, {key: value}."""
    trees = [load_yaml(side.entry(name), name) for side in (old, new)]
    update_yaml(*trees)
    return dump_yaml(trees[0])
