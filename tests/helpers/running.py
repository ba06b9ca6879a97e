"""Running the recipes as a user does, in this process or in others."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
ESC50 = ROOT / "recipes" / "ESC50"
TINY = [
    "--esc10=True",
    "--ast_size=[32,2,2]",
    "--frames=64",
    "--source=null",
    "--epochs=2",
    "--batch_size=4",
    "--num_workers=0",
    "--device=cpu",
    "--noprogressbar",
]


def load_train(recipe=ESC50, script="train.py"):
    """A script of a recipe as the module train, with its own neighbours."""
    for name in ("prepare", "train", "demonstration"):
        sys.modules.pop(name, None)
    sys.path.insert(0, str(recipe))
    try:
        spec = importlib.util.spec_from_file_location("train", recipe / script)
        module = importlib.util.module_from_spec(spec)
        sys.modules["train"] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(recipe))
    return module


def arguments(data, output, *more, method="lora", recipe=ESC50):
    """A command line: the tiny size, and later arguments win."""
    return [
        str(recipe / "hparams" / f"{method}.yaml"),
        f"--data_folder={data}",
        f"--output_folder={output}",
        *TINY,
        *more,
    ]


def run(data, output, *more, **which):
    """Run ESC-50's main in this process; returns its result."""
    return load_train().main(arguments(data, output, *more, **which))


def run_elsewhere(argv, program=None, launcher=(sys.executable,), **kwargs):
    """Run a recipe, or a program of a test, in processes of its own."""
    given = os.environ.get("PYTHONPATH", str(ROOT))  # this checkout, if several
    path = os.pathsep.join([str(Path(__file__).parent), given])
    return subprocess.run(
        [*launcher, str(program or ESC50 / "train.py"), *argv],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": path},
        **kwargs,
    )


def torchrun(argv, program=None, processes=2):
    """The same under torchrun."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher.append(f"--nproc_per_node={processes}")
    return run_elsewhere(argv, program, launcher)


def assert_alike(result, other):
    """A run of two processes has the figures of one."""
    assert (result["processes"], other["processes"]) == (2, 1)
    pairs = [(result["metrics"], other["metrics"])]
    for epoch, expected in zip(result["history"], other["history"]):
        pairs += [
            (epoch[split], expected[split]) for split in ("train", "valid")
        ]
    for found, expected in pairs:
        assert found == pytest.approx(expected, rel=1e-4, nan_ok=True)


def result_of(output):
    """The result json of a run."""
    return json.loads((Path(output) / "result.json").read_text())


def weights_of(output):
    """All learned tensors of the newest checkpoint of a run."""
    # not the last by name: a name is free again once its folder is deleted
    folders = Path(output).glob("save/CKPT+*")
    folder = max(folders, key=lambda f: (f / "CKPT.yaml").stat().st_mtime_ns)
    return {
        f"{name}.{key}": value
        for name in ("encoder", "classifier")
        for key, value in torch.load(folder / f"{name}.ckpt").items()
    }
