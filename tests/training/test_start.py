"""What a recipe does not import before its first step: start-up, in short."""

import subprocess
import sys

from method_files import ROOT

LATE = {"torchmetrics", "matplotlib", "transformers", "pandas", "sklearn"}
TO_THE_FIRST_STEP = """
import os, runpy, sys, torch

def leave(*args, **kwargs):
    print("FIRST STEP", *sys.modules, flush=True)
    os._exit(0)

torch.optim.AdamW.step = leave
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_what_the_first_step_does_not_wait_for(esc50, tmp_path):
    """Least of all what torchmetrics brings with it."""
    recipe = ROOT / "recipes" / "ESC50"
    options = {
        "data_folder": esc50,
        "output_folder": tmp_path,
        "esc10": True,
        "source": "null",
        "ast_size": "[16, 1, 2]",
        "batch_size": 2,
        "num_workers": 0,
        "device": "cpu",
    }
    command = [recipe / "train.py", recipe / "hparams" / "lora.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", TO_THE_FIRST_STEP, *map(str, command)]
        + [f"--{key}={value}" for key, value in options.items()],
        capture_output=True,
        text=True,
    )
    found = [x for x in done.stdout.splitlines() if x.startswith("FIRST STEP")]
    assert found, done.stderr[-2000:]
    assert not LATE & set(found[0].split())
