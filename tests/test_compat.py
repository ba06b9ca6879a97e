"""One test for each private name of another library that compat.py uses."""

import ast
import importlib
import inspect
from types import SimpleNamespace

import pytest
import torch
from source_tree import PACKAGE, sources
from speechbrain_petl import compat


def test_capabilities_of_this_cpu():
    """torch 2.14 has them under a public name, with these keys."""
    if not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip("this torch has not made them public")
    found = torch.cpu.get_capabilities()
    if found["architecture"] == "x86_64":
        assert {"avx512_bf16", "amx_bf16"} <= found.keys()


@pytest.mark.parametrize("avx", [False, True])
@pytest.mark.parametrize("amx", [False, True])
def test_cpu_has_bf16(avx, amx, monkeypatch):
    """By the public name, and by the two private ones of torch 2.8."""
    found = {"avx512_bf16": avx, "amx_bf16": amx}
    public = SimpleNamespace(get_capabilities=lambda: found)
    monkeypatch.setattr(torch, "cpu", public)
    assert compat.cpu_has_bf16() == (avx or amx)
    private = SimpleNamespace(
        _is_avx512_bf16_supported=lambda: avx,
        _is_amx_tile_supported=lambda: amx,
    )
    monkeypatch.setattr(torch, "cpu", private)
    assert compat.cpu_has_bf16() == (avx or amx)


@pytest.mark.parametrize(
    "name", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"]
)
def test_private_names_of_torch_cpu(name):
    """Seen in torch 2.8 to 2.14."""
    assert getattr(torch.cpu, name)() in (True, False)


COMPAT = "compat.py"  # the one file that may


def is_private(name):
    """Whether a name has one underscore in front."""
    return name.startswith("_") and not name.startswith("__") and name != "_"


def private_names(tree):
    """Attributes of what is not one's own, and what is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "super()"):
                yield f"{owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [*node.module.split("."), *(a.name for a in node.names)]
            yield from filter(is_private, names)
        elif isinstance(node, ast.Import):
            names = [n for a in node.names for n in a.name.split(".")]
            yield from filter(is_private, names)


def test_private_names_are_found():
    """By every way of naming one; a class's own are its own."""
    code = "import a._b\nfrom c import _d\ntorch.e._f()\nself._g, x.__dict__"
    assert [*private_names(ast.parse(code))] == ["_b", "_d", "torch.e._f"]


def test_no_private_names_but_in_compat():
    found = {
        f"{path}: {name}"
        for path, text in sources().items()
        if str(path) != COMPAT
        for name in private_names(ast.parse(text))
    }
    assert not found


def own_classes():
    """Every class that a module of the package defines."""
    for path in sources():
        parts = (PACKAGE, *path.with_suffix("").parts)
        if parts[-1] != "__main__":
            name = ".".join(parts).removesuffix(".__init__")
            module = importlib.import_module(name)
            for _, found in inspect.getmembers(module, inspect.isclass):
                if found.__module__ == name:
                    yield found


def test_no_private_method_of_another_library_is_overridden():
    """Nor read: a private name of a class is not one of its foreign bases."""
    found = set()
    for kind in own_classes():
        used = set(private_names_of(kind))
        for base in kind.__mro__[1:-1]:
            if not base.__module__.startswith(PACKAGE):
                names = used & vars(base).keys()
                found |= {f"{kind.__qualname__}.{name}" for name in names}
    assert not found


def private_names_of(kind):
    """The private methods that a class defines, and what it reads of itself."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and is_private(node.name):
            yield node.name
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            if ast.unparse(node.value) in ("self", "super()"):
                yield node.attr
