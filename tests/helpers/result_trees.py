"""Result folders of runs that never ran, as PETLBrain writes them."""

import json
import re
from pathlib import Path

from speechbrain_petl.experiments.report.groups import make_tables
from speechbrain_petl.experiments.report.markdown import as_markdown
from speechbrain_petl.experiments.report.runs import find_runs

SETTINGS = {
    "seed": 1,
    "method": "lora",
    "output_folder": "out",
    "source": "MIT/ast",
    "epochs": 3,
    "lr": 0.005,
}
ENCODER = "encoder: !new:speechbrain_petl.AST\n    size: {size}\n"


def make_run(
    root,
    method="lora",
    fold=1,
    seed=1,
    *,
    place=None,
    size="[96, 4, 3]",
    settings=None,
    classes=("cat", "dog"),
    **changes,
):
    """Write the files of one run; returns its folder.

    ``changes`` are keys of result.json; one that is "-" is left out.
    """
    folder = Path(root, place or f"{method}/fold{fold}_seed{seed}")
    folder.mkdir(parents=True)
    result = make_result(method, fold, seed)
    for key, value in changes.items():
        if key not in result:  # identity stands before the metrics
            result = {key: value, **result}
        result[key] = value
    result = {key: value for key, value in result.items() if value != "-"}
    (folder / "result.json").write_text(json.dumps(result))
    if settings is not False:
        tree = SETTINGS | {"output_folder": str(folder), "method": method}
        lines = [f"{k}: {v}\n" for k, v in (tree | (settings or {})).items()]
        lines.append(ENCODER.format(size=size))
        lines.append(f"logger:\n    file: {folder}/log.txt\n    seed: {seed}\n")
        (folder / "hyperparams.yaml").write_text("".join(lines))
    (folder / "predictions.csv").write_text(
        f"id,label,predicted,{','.join(f'p({c})' for c in classes)}\n"
        f"a,{classes[0]},{classes[-1]}{',0' * len(classes)}\n"
        f"b,{classes[-1]},{classes[-1]}{',0' * len(classes)}\n"
    )
    return folder


def make_result(method, fold, seed):
    """What a run without a fault says of itself."""
    return {
        "dataset": "ESC-10",
        "method": method,
        "protocol": "3-1-1",
        "fold": fold,
        "folds": 3,
        "seed": seed,
        "shots": None,
        "metrics": {"loss": 1.5, "accuracy": 0.5},
        "select": "accuracy",
        "tested_epoch": 3,
        "trainable_parameters": 1162,
        "total_parameters": 477898,
        "adapter_bytes": 8354,
        "seconds": 30.0,
        "peak_memory_mib": 700.5,
        "device": "some CPU",
        "precision": "fp32",
        "processes": 1,
        "debug": False,
        "command": f"/home/me/train.py hparams/{method}.yaml --source=/x/y.pt",
        "history": [
            {
                "epoch": epoch,
                "train": {"loss": 2.0 / epoch, "accuracy": 0.1 * epoch},
                "valid": {"loss": 3.0 / epoch, "accuracy": 0.1 * epoch},
            }
            for epoch in (1, 2, 3)
        ],
    }


def make_recipe(root, readme="# Title\n"):
    """A recipe's folder without a train.py."""
    folder = Path(root, "recipe")
    (folder / "hparams").mkdir(parents=True)
    base = "seed: 1\nlogger: !ref <seed>\nmethod: null\nepochs: 50\nlr: 0.1\nsource: MIT/ast\n"
    (folder / "hparams/base.yaml").write_text(base + ENCODER.format(size="b"))
    (folder / "hparams/lora.yaml").write_text("method: lora\nlr: 0.005\n")
    (folder / "README.md").write_text(readme)
    return folder


def tables_of(root, **kwargs):
    """Title -> table."""
    runs, problems = find_runs(root)
    return {t.title: t for t in make_tables(runs, problems, **kwargs)}


def text_of(root, **kwargs):
    """The Markdown of the only table."""
    (table,) = tables_of(root).values()
    return as_markdown(table, **kwargs)


def cells_of(text):
    """Rows of a table in Markdown, as column -> cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads, _, *rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
    ]
    return [dict(zip(heads, row)) for row in rows]


def make_folds(root, method, accuracies, **kwargs):
    """A run for each accuracy, from fold 1 on."""
    for fold, accuracy in enumerate(accuracies, 1):
        metrics = {"loss": 2 * accuracy, "accuracy": accuracy}
        make_run(root, method, fold, metrics=metrics, **kwargs)
