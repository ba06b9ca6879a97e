"""The campaign's quick form: a little of each part ends as it should."""

import json
import subprocess
import sys

import pytest
from running import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("part", ["kills", "damage", "inputs", "hostile"])
def test_bad_days(part, tmp_path):
    """In a process of its own: it forks, and has computed nothing before."""
    command = [sys.executable, "-m", "tests.campaign", part, "--quick"]
    command += ["--rounds", "3"]
    done = subprocess.run(
        [*command, f"--journal={tmp_path}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    journal = tmp_path / f"campaign_{part}.jsonl"
    cases = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(cases) > 2 and all(case["right"] for case in cases)
