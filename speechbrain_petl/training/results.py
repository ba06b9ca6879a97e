"""The result.json of a finished run: written at once, read and checked."""

import json
import math
import os
from pathlib import Path

from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import get_logger

from ..data.checksums import check_seal, check_sum, sealed, sha256_of
from ..errors import InputError
from ..recipe.settings import sums_of_settings
from ..weights.adapter_files import (
    WEIGHTS,
    digest_of,
    read_weights,
    save_weights,
    weights_beside,
)
from .calibration import measure
from .measured import measured
from .predictions import predictions_beside, write_predictions
from .summary import summary

logger = get_logger(__name__)

RESULT = "result.json"
NEEDED = {  # key of a result -> kind
    "dataset": str,
    "method": str,
    "metrics": dict,
    "trainable_parameters": int,
    "seconds": (int, float),
    "debug": bool,
    "history": list,
}


def check_identity(identifies):
    """Refuse what no report could read, before any training.

    Arguments
    ---------
    identifies : dict
        What identifies a run.
    """
    for key in ("dataset", "method"):
        if not isinstance(identifies.get(key), str):
            raise InputError(
                f"result: {key}={identifies.get(key)}: give a name, a number "
                "in quotes"
            )


def write_run(brain, identifies, path):
    """Write what a tested run leaves: predictions, weights and result.json.

    Arguments
    ---------
    brain : PETLBrain
        That has been tested.
    identifies : dict
        What identifies the run: dataset, method, fold, seed, ...
    path : str
        Of the result.json; the others are beside it.

    Returns
    -------
    dict
        What is in it.
    """
    calibration = _calibration(brain)
    noted = brain.predictions
    if noted.logits and (brain.labels or not noted.has_probabilities):
        names = brain.labels.ind2lab if brain.labels else {}
        table = noted.table(
            [str(names[i]) for i in range(len(names))],
            brain.activation,
            brain.temperature,
        )
        write_predictions(table, predictions_beside(path))
    # those of the checkpointer are neither compiled nor wrapped by DDP
    known = brain.checkpointer.recoverables
    modules = {name: known[name] for name in brain.learned}
    # which epoch, or average of some, need not be found out again
    save = main_process_only(save_weights)
    path_of_weights = weights_beside(path)
    save(path_of_weights, modules, brain.activation, brain.temperature)
    result = {**identifies, **measured(brain), "calibration": calibration}
    result = write_result(result, path, sums_of_run) or result
    logger.info(f"the run is finished\n{summary(result, path)}")
    return result


def _calibration(brain):
    """What a result says of it; None where no probabilities were noted."""
    noted = brain.predictions
    if not (noted.logits and noted.has_probabilities):
        return None
    return measure(brain.predictions, brain.activation, brain.temperature)


def sums_of_run(path):
    """Checksums of what belongs to a result.json.

    Arguments
    ---------
    path : str
        Of the result.json.

    Returns
    -------
    dict
        Name of a file -> checksum of what it says.
    """
    sums = sums_of_settings(Path(path).parent)
    sums[WEIGHTS] = digest_of(*read_weights(weights_beside(path)))
    predictions = Path(predictions_beside(path))
    if predictions.is_file():
        sums[predictions.name] = sha256_of(predictions)
    return sums


@main_process_only
def write_result(content, path, sums=None):
    """Write at once, so that a killed run leaves no half a result.

    Arguments
    ---------
    content : dict
        Numbers that are not finite, which json does not know, become null.
    path : str
        The json file.
    sums : callable, optional
        What belongs to it, by its path: name -> checksum.

    Returns
    -------
    dict
        What was written, with checksums; None in all but the main process.
    """
    others = sums(path) if sums else {}
    content = sealed(_finite(content), Path(path).name, **others)
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, allow_nan=False)
    os.replace(f"{path}.part", path)
    return content


def read_result(path):
    """Read a result.json and check that it is one.

    Arguments
    ---------
    path : str
        The json file.

    Returns
    -------
    dict
        As ``PETLBrain.train_and_test`` returned it, with null for numbers
        that are not finite.
    """
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}")
    if not isinstance(result, dict):
        raise InputError(f"{path} is no result of a run: it holds no keys")
    check_seal(result, path)
    for key, kind in NEEDED.items():
        if not isinstance(result.get(key), kind):
            raise InputError(f"{path} is no result of a run: {key} is missing")
    for name, value in result["metrics"].items():
        if value is not None and not isinstance(value, (int, float)):
            raise InputError(
                f"{path} is no result of a run: its {name} is {value!r}"
            )
    for entry in result["history"]:
        if not isinstance(entry, dict):
            raise InputError(
                f"{path} is no result of a run: its history holds {entry!r}"
            )
    return result


def check_settings(result, folder):
    """Refuse settings or a label set that are not those of a result.

    Arguments
    ---------
    result : dict
        As ``read_result`` returns it.
    folder : str or os.PathLike
        Of the run.
    """
    for name, found in sums_of_settings(folder).items():
        check_sum(result, Path(folder) / name, name, found)


def identity(result):
    """What identifies a run: what its recipe put before the metrics.

    Arguments
    ---------
    result : dict
        As ``read_result`` returns it.

    Returns
    -------
    dict
        dataset, method, seed, ...

    Example
    -------
    >>> identity({"dataset": "ESC-50", "fold": 1, "metrics": {}, "seconds": 3})
    {'dataset': 'ESC-50', 'fold': 1}
    """
    keys = list(result)
    return {key: result[key] for key in keys[: keys.index("metrics")]}


def _finite(tree):
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_finite(value) for value in tree]
    if isinstance(tree, float) and not math.isfinite(tree):
        return None
    return tree
