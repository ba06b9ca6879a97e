"""What a run has come to, to be compared with that of an undisturbed one."""

import json
from pathlib import Path

from safetensors import safe_open

FIGURES = ("metrics", "history", "tested_epoch", "trainable_parameters")


def outcome(run):
    """Figures, predictions and learned weights of a finished run."""
    run = Path(run)
    result = json.loads((run / "result.json").read_text())
    with safe_open(run / "adapter.safetensors", "np") as file:
        weights = {k: file.get_tensor(k).tobytes() for k in file.keys()}
    return {
        "figures": {key: result[key] for key in FIGURES},
        "predictions": (run / "predictions.csv").read_text(),
        "weights": weights,
    }


def differences(one, other):
    """In which of these two outcomes differ."""
    return [key for key in one if one[key] != other[key]]
