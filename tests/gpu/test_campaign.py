"""The campaign, rehearsed on a CPU: every part ends, and the table is whole."""

import subprocess
import sys
from pathlib import Path

import pytest
from method_files import ROOT

SCRIPT = Path("tests") / "gpu" / "campaign.sh"
PARTS = ("tests", "benchmarks", "fold")


def run(*options):
    """The script, from the top of the repository."""
    return subprocess.run(
        ["bash", str(SCRIPT), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_rehearsal(tmp_path):
    """`--quick --device=cpu`; a machine that others use has longer."""
    done = run("--quick", "--device=cpu", "--times=4", f"--out={tmp_path}")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "table.md").read_text()
    for part in PARTS:
        assert f"| part: {part} | done |" in table, table
    assert table in done.stdout and "failed" not in table
    for row in (
        ", compiled: seconds to compile",
        "peak memory",
        "clips a second",
    ):
        assert row in table


def test_a_part_that_takes_too_long_is_said(tmp_path):
    """And the others, which have no time left; the table comes all the same."""
    done = run("--quick", "--device=cpu", "--times=0", f"--out={tmp_path}")
    assert done.returncode == 0
    for part in PARTS:
        assert f"| part: {part} | code 1 |" in done.stdout


def test_wheels():
    """All that the project and its tests need beyond torch, and its needs."""
    command = [sys.executable, "tests/gpu/wheels.py", "--python=3.12", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    names = {line.split("==")[0] for line in done.stdout.splitlines()}
    assert {"hyperpyyaml", "peft", "pytest", "speechbrain", "timm"} <= names
    assert {"numpy", "onnxscript", "ruamel-yaml", "transformers"} <= names
    assert not {"torch", "torchaudio", "sympy", "speechbrain-petl"} & names
    assert not [name for name in names if name.startswith(("nvidia", "cuda"))]


def test_wrong_options():
    done = run("--quik")
    assert done.returncode == 2 and "--quik is not known" in done.stderr
