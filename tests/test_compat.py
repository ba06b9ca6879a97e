"""One test for each private name of another library that compat.py uses."""

from types import SimpleNamespace

import pytest
import torch
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
