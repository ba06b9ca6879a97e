"""Classes of this package as one file that does without it.

What they need of other modules here comes along, each definition as it is
written, so that there is one source. Errors become ValueError, checks of what
a user has written and words about old names are left out, timm's block is the
one in plain torch.
"""

import ast
import re
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
STANDS_IN = {"timm.models.vision_transformer": "lobes.plain_block"}
# of a docstring, from the first one to its end
SECTIONS = r'\n\n    (Arguments|Returns|Example)\n    -+\n.*?\n    """'
CHECKS = ("check_choice", "check_arguments", "check_count")
WORDS = {  # as a regular expression -> what stands for it
    r"\bInputError\b": "ValueError",
    r"\{did_you_mean\([^{}]*\)\}": "",
    r"keep its config\.json beside it, or[^\[]*\[[^\]]*\]": "give the folder that "
    "has its config.json, too",
    # torch 2.4; it saves casting twice
    r"        device = x\.device\.type\n        if torch\.is_auto.*\n.*\n": "",
    # torch 2.7; it saves time where nothing is exported
    r" and not torch\.compiler\.is_exporting\(\)": "",
    # the block in plain torch has it always
    r"partial\(Block, qkv_bias=True\)": "Block",
    r', "\s+"or wrap it in Shared\."': '."',
}


def standalone(roots, header="", renamed=(), given=(), imports=(), brief=False):
    """The text of a module with some of this package's classes and functions.

    Arguments
    ---------
    roots : list of str
        What it is to hold, such as "lobes.ast:PlainAST"; the rest follows.
    header : str
        Its docstring.
    renamed : dict
        Name here -> name there.
    given : dict
        Name of what is needed -> import line, where it is there already.
    imports : list of str
        Import lines that it has in any case.
    brief : bool
        Of functions that came along, keep what a docstring says at first.

    Returns
    -------
    str
        In python.

    Example
    -------
    >>> text = standalone(["adapters.blocks:Bottleneck"], "Blocks.")
    >>> print(text.splitlines()[0])
    \"\"\"Blocks.\"\"\"
    >>> [line for line in text.splitlines() if line.startswith("class")]
    ['class QuickGELU(nn.Module):', 'class Bottleneck(nn.Module):']
    """
    found, imports = {}, set(imports)
    for root in roots:
        module, _, name = root.partition(":")
        _collect(module, name, found, imports, dict(given))
    text, before = "", None
    for module, name in sorted(found, key=_place(found)):
        node = _read(module).definitions[name]
        if node is before:  # the second name of one line
            continue
        both = {type(node), type(before)} == {ast.Assign}
        text += "" if both else "\n\n"
        short = brief and f"{module}:{name}" not in roots
        text += (
            _brief(node, found[module, name]) if short else found[module, name]
        ) + "\n"
        before = node
    for name, other in dict(renamed).items():
        text = re.sub(rf"\b{name}\b", other, text)
    lines = sorted(imports, key=lambda line: (line.split()[1], line))
    head = f'"""{header}"""\n\n' if header else ""
    return head + "\n".join(lines) + "\n" + text


def _collect(module, name, found, imports, given):
    """Note a definition after all those that it needs."""
    source = _read(module)
    if (module, name) in found:
        return
    node = source.definitions[name]
    found[module, name] = None  # its place, if it needs itself
    text = _text(source, node)
    for needed in _names(ast.parse(text)):
        if needed in source.definitions:
            _collect(module, needed, found, imports, given)
        elif needed in source.imports:
            origin, original, line = source.imports[needed]
            if needed in given:
                imports.add(given[needed])
            elif origin is None:
                imports.add(line)
            else:
                _collect(origin, original, found, imports, given)
    found[module, name] = found.pop((module, name)) or text


def _place(found):
    """Modules in the order in which they are needed, lines as they are."""
    order = {}
    for module, _ in found:
        order.setdefault(module, len(order))
    # a module comes after all those that its definitions need
    last = {m: max(i for i, k in enumerate(found) if k[0] == m) for m in order}
    return lambda key: (
        last[key[0]],
        _read(key[0]).definitions[key[1]].lineno,
    )


class _Source:
    """A module of this package: its definitions and its imports."""

    def __init__(self, module):
        path = PACKAGE.joinpath(*module.split("."))
        if path.is_dir():
            path = path / "__init__"
        self.module = module
        self.text = path.with_suffix(".py").read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.definitions, self.imports = {}, {}
        for node in ast.parse(self.text).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._note(node)
            elif isinstance(node, ast.Assign):
                names = (t for target in node.targets for t in ast.walk(target))
                for name in names:
                    if isinstance(name, ast.Name):
                        self.definitions[name.id] = node
            elif hasattr(node, "name"):
                self.definitions[node.name] = node

    def _note(self, node):
        """Name -> (module of ours or None, its name there, import line)."""
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            also = f" as {alias.asname}" if alias.asname else ""
            if isinstance(node, ast.Import):
                line = f"import {alias.name}{also}"
                self.imports[name] = None, None, line
                continue
            origin = STANDS_IN.get(node.module)
            if node.level:
                above = self.module.split(".")[: -node.level]
                origin = ".".join([*above, *(node.module or "").split(".")])
            line = f"from {node.module} import {alias.name}{also}"
            self.imports[name] = origin, alias.name, line


_read = lru_cache(_Source)


def _text(source, node):
    """A definition as it is written, with the comment above it."""
    first = min([node.lineno, *(d.lineno for d in _decorators(node))]) - 1
    while first and source.lines[first - 1].startswith("#"):
        first -= 1
    left_out = {
        line
        for inner in ast.walk(node)
        if _is_check(inner) or _is_deprecation(inner)
        for line in range(inner.lineno - 1, inner.end_lineno)
    }
    kept = [
        source.lines[i]
        for i in range(first, node.end_lineno)
        if i not in left_out
        and not re.match(r"\s*>>> from speechbrain_petl", source.lines[i])
    ]
    text = "\n".join(kept)
    for pattern, other in WORDS.items():
        text = re.sub(pattern, other, text)
    return text


def _brief(node, text):
    """A function without the sections of its docstring."""
    if isinstance(node, ast.FunctionDef):
        text = re.sub(SECTIONS, '\n    """', text, count=1, flags=re.S)
    return text


def _decorators(node):
    return getattr(node, "decorator_list", [])


def _is_check(node):
    function = getattr(getattr(node, "value", None), "func", None)
    return isinstance(node, ast.Expr) and getattr(function, "id", "") in CHECKS


def _is_deprecation(node):
    if not isinstance(node, ast.If):
        return False
    return any("FutureWarning" in ast.unparse(inner) for inner in node.body)


def _names(tree):
    """All names that a definition reads, in the order of the text."""
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    found.sort(key=lambda n: (n.lineno, n.col_offset))
    return dict.fromkeys(n.id for n in found)
