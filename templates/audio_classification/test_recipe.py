"""The recipe runs on a few generated sounds, from files to result.

> python -m pytest test_recipe.py
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TINY = [
    *("--source=null", "--ast_size=[32,2,2]", "--epochs=1"),
    *("--num_workers=0", "--device=cpu"),
]


def test_from_files_to_result(tmp_path):
    """In a process of its own, as it is run."""
    sys.path.insert(0, str(HERE))
    from demonstration import make_sounds

    make_sounds(tmp_path, "target", {"train": 2, "valid": 1, "test": 1})
    command = [sys.executable, "train.py", "hparams/lora.yaml", *TINY]
    command.append(f"--data_folder={tmp_path / 'target'}")
    command.append(f"--output_folder={tmp_path / 'run'}")
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert 0 <= result["metrics"]["accuracy"] <= 1
    assert result["method"] == "lora"
