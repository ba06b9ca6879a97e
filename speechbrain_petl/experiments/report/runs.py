"""The runs below a folder, and what is wrong there."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from ...data.checksums import check_sum
from ...errors import InputError
from ...inference.escaping import in_code, quoted
from ...recipe.settings import HYPERPARAMS
from ...training.predictions import PREDICTIONS
from ...training.results import RESULT, check_settings, identity, read_result
from .settings import read_settings

CHECKPOINT = "CKPT+"
RECORDED = (  # of a result: as good as settings
    "clips",
    "device",
    "precision",
    "processes",
    "select",
    "total_parameters",
    "trainable_parameters",
)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Arguments
    ---------
    name : str
        Its folder, relative to the folder of all results.
    folder : pathlib.Path
        The same from here.
    result : dict
        Its result.json.
    settings : dict
        Dotted key -> value of its hyperparams.yaml, and what its result says
        of the machine.
    known : bool
        Whether there is a hyperparams.yaml.
    """

    name: str
    folder: Path
    result: dict
    settings: dict
    known: bool = True

    def key(self, *names):
        """Values of what identifies the run.

        Arguments
        ---------
        *names : str
            Such as "fold", "seed".

        Returns
        -------
        tuple
            None for what the run does not have.
        """
        own = identity(self.result)
        return tuple(own.get(name) for name in names)

    def metric(self, name):
        """A test metric (float); None if it is missing or no finite number."""
        value = self.result["metrics"].get(name)
        return value if value is not None and math.isfinite(value) else None


def find_runs(root):
    """Read all results below a folder.

    Arguments
    ---------
    root : str
        The folder.

    Returns
    -------
    runs : list of Run
        Sorted by name; debug runs are left out.
    problems : list of str
        What is wrong: results that cannot be read, runs without one, debug
        runs.
    """
    if not os.path.isdir(root):
        raise InputError(
            f"there is no folder {root}: run the recipe first, or say where "
            "the results are by --results=..."
        )
    runs, problems = [], []
    for folder, folders, files in sorted(os.walk(root)):
        if any(part.startswith(CHECKPOINT) for part in Path(folder).parts):
            continue
        try:
            run = _read(Path(root), Path(folder), files)
        except InputError as error:
            problems.append(str(error))
            continue
        if run is not None:
            runs.append(run)
    return runs, problems


def _read(root, folder, files):
    """The run of a folder; None if the folder is of no run."""
    name = folder.relative_to(root).as_posix()
    shown = quoted(name)
    if RESULT not in files:
        if HYPERPARAMS in files:
            raise InputError(f"{shown}: not finished, it has no {RESULT}")
        return None
    try:
        result = read_result(folder / RESULT)
        check_settings(result, folder)
        if PREDICTIONS in files:
            check_sum(result, folder / PREDICTIONS)
        settings = read_settings(folder) if HYPERPARAMS in files else {}
        settings |= {k: str(result[k]) for k in RECORDED if k in result}
    except InputError as error:
        short = str(error).replace(f"{folder}/", "")
        raise InputError(f"{shown}: {in_code(short)}")
    if result.get("tested_on", "test") != "test":
        raise InputError(f"{shown}: left out, its test was on validation")
    if result["debug"]:
        raise InputError(f"{shown}: left out, a debug run")
    return Run(name, folder, result, settings, HYPERPARAMS in files)
