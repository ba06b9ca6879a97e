"""The public names: each is there, found by pydoc, and costs nothing unused."""

import pydoc
import subprocess
import sys

import pytest
import speechbrain_petl


@pytest.mark.parametrize("name", speechbrain_petl._HOMES)
def test_name(name):
    value = speechbrain_petl.__getattr__(name)
    assert value.__module__ == speechbrain_petl._HOMES[name]
    assert pydoc.locate(f"speechbrain_petl.{name}") is value  # as !new: does
    assert name in dir(speechbrain_petl)


def test_no_name():
    with pytest.raises(AttributeError, match="no attribute 'ASTT'"):
        _ = speechbrain_petl.ASTT
    with pytest.raises(ImportError, match="ASTT"):
        from speechbrain_petl import ASTT  # noqa: F401


def test_nothing_is_imported_before_it_is_used():
    code = "import sys, speechbrain_petl; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {"torch", "speechbrain"} & set(loaded.stdout.split())
