"""Run a recipe's main in this process, on a tiny AST."""

import json
import sys
from pathlib import Path

from method_files import ROOT
from running import load_train
from speechbrain_petl.recipe.method_files import BASE

TINY = [
    "--source=null",
    "--ast_size=[32,2,2]",
    "--frames=64",
    "--batch_size=8",
    "--num_workers=0",
    "--device=cpu",
    "--noprogressbar",
]


def methods_of(dataset):
    """The names of the method files of a recipe, sorted."""
    found = (ROOT / "recipes" / dataset / "hparams").glob("*.yaml")
    return sorted(path.stem for path in found if path.name != BASE)


def train(dataset, data, output, *more, method="lora"):
    """Run a recipe; returns its result, as it stands in its result.json."""
    recipe = ROOT / "recipes" / dataset
    load_train(recipe).main(
        [
            str(recipe / "hparams" / f"{method}.yaml"),
            f"--data_folder={data}",
            f"--output_folder={output}",
            *TINY,
            *more,
        ]
    )
    return json.loads((Path(output) / "result.json").read_text())


def load_prepare(dataset):
    """The prepare.py of a recipe as a module of its own."""
    load_train(ROOT / "recipes" / dataset)
    return sys.modules["prepare"]


def read_manifests(manifests):
    """split -> entries."""
    return {k: json.loads(Path(p).read_text()) for k, p in manifests.items()}
