"""The package as text: its files, functions and imports, without running it."""

import ast
import sys
from functools import lru_cache

from method_files import ROOT

PACKAGE = "speechbrain_petl"
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef


@lru_cache
def sources():
    """Path relative to the package -> the file's text."""
    top = ROOT / PACKAGE
    return {
        path.relative_to(top): path.read_text(encoding="utf-8")
        for path in sorted(top.rglob("*.py"))
    }


def room_of(path):
    """The room a file of the package belongs to; at the top, its own name."""
    return path.parts[0].removesuffix(".py")


def imports():
    """Every import of ours as (file, the room that it imports from)."""
    for path, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            for name in _imported(path, node):
                if name.split(".")[0] == PACKAGE:
                    room = (name.split(".") + ["__init__"])[1]
                    yield path, room


def _imported(path, node):
    """The dotted names of modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = node.module or ""
    if node.level:
        above = (PACKAGE, *path.parts)[: -node.level]
        module = ".".join([*above, module]).rstrip(".")
    if module == PACKAGE:  # a room, or a public name of __init__
        rooms = {room_of(path) for path in sources()}
        return [
            f"{module}.{alias.name}" if alias.name in rooms else module
            for alias in node.names
        ]
    return [module]


def functions():
    """Every function as (file, dotted name, lines without its docstring)."""
    for path, text in sources().items():
        yield from _functions(path, ast.parse(text), "")


def _lines(function):
    lines, first = function.end_lineno - function.lineno + 1, function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def _functions(path, node, prefix):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            name = f"{prefix}{child.name}"
            if isinstance(child, FUNCTIONS):
                yield path, name, _lines(child)
            yield from _functions(path, child, f"{name}.")
        else:
            yield from _functions(path, child, prefix)


def third_party():
    """The top names of all that is imported and neither ours nor Python's."""
    found = {
        name.split(".")[0]
        for path, text in sources().items()
        for node in ast.walk(ast.parse(text))
        for name in _imported(path, node)
    }
    return found - {PACKAGE, *sys.stdlib_module_names}
