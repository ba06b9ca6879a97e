"""The cells of a sweep: methods x folds x seeds x shots of one recipe.

A cell is a command line of train.py. Its output folder is what the recipe's
yaml files make of it, not a convention of ours.
"""

import math
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ruamel.yaml import YAML

from ...errors import InputError
from ...recipe.parsing import check_recipe
from ...recipe.settings import refuse_other_settings
from .axes import MOST

HPARAMS = "hparams"


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Arguments
    ---------
    name : str
        What tells it from the others, such as "lora fold 2 seed 1".
    arguments : tuple of str
        The command line of train.py.
    folder : pathlib.Path
        Its output folder.
    result : pathlib.Path
        Its result.json.
    """

    name: str
    arguments: tuple
    folder: Path
    result: Path


@contextmanager
def working_in(folder):
    """Run a block in another working directory.

    Arguments
    ---------
    folder : str
        The directory: a recipe's, whose paths are relative to it.

    Yields
    ------
    None
    """
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def fold_count(method, options):
    """How many folds a recipe has, as its base.yaml says under ``result``.

    Arguments
    ---------
    method, options : str, list of str
        A method file's name, and options of train.py.

    Returns
    -------
    int
        None for a recipe without folds.
    """
    settings = check_recipe([_method_file(method), *options])[-1]
    return settings.get("result", {}).get("folds")


def _method_file(name):
    """From the recipe's folder."""
    return f"{HPARAMS}/{name}.yaml"


def plan(methods, axes, options):
    """All cells of a sweep, each checked as train.py would check it.

    To be called in the recipe's folder.

    Arguments
    ---------
    methods : list of str or tuple
        Names of method files; or each with options of its own and with those
        of them that its folder is to name, (name, options, named).
    axes : dict
        Yaml key -> its values, such as {"fold": [1, 2], "seed": [1]}.
    options : list of str
        Of train.py, for all cells.

    Returns
    -------
    list of Cell
        Method by method.
    """
    for key in axes:
        if any(o.partition("=")[0] == f"--{key}" for o in options):
            raise InputError(f"--{key} and --{key}s: give one of the two")
    count = len(methods) * math.prod(map(len, axes.values()))
    if count > MOST:
        raise InputError(f"these are {count} runs, a sweep has at most {MOST}")
    cells = {}
    for method in methods:
        plain = isinstance(method, str)
        method, own, named = (method, (), ()) if plain else method
        for values in product(*axes.values()):
            given = [*options, *own]
            cell = _cell(method, dict(zip(axes, values)), given, named)
            other = cells.setdefault(cell.folder, cell)
            if other is not cell:
                raise InputError(
                    f"{cell.name} and {other.name} share the folder "
                    f"{cell.folder}: name their keys in --output_folder, as "
                    "in '!ref results/<method>/fold<fold>_seed<seed>'"
                )
    return list(cells.values())


def _cell(method, point, options, named=()):
    given = [f"--{key}={value}" for key, value in point.items()]
    arguments = [_method_file(method), *options, *given]
    base_file, _, overrides, settings = check_recipe(arguments)
    own = dict(o.removeprefix("--").split("=", 1) for o in named)
    more = _unnamed(base_file, overrides, settings, own)
    if more:
        folder = f"{settings['output_folder']}{more}"
        arguments.append(f"--output_folder={folder}")
        settings = check_recipe(arguments)[-1]
    refuse_other_settings(settings)
    return Cell(
        name=" ".join(
            [method, *(f"{k} {v}" for k, v in (own | point).items())]
        ),
        arguments=tuple(arguments),
        folder=Path(settings["output_folder"]).absolute(),
        result=Path(settings["result_file"]).absolute(),
    )


def _unnamed(base_file, overrides, settings, more=()):
    """What identifies a run, is not base.yaml's, and not in the folder's name.

    Such as ``_protocol4-1_shots5``: base.yaml's own name for the folder says
    nothing of what most runs leave alone.
    """
    with open(base_file, encoding="utf-8") as file:
        base = YAML().load(file)
    pattern = (YAML().load(overrides) or {}).get("output_folder")
    pattern = base["output_folder"] if pattern is None else pattern
    pattern = str(getattr(pattern, "value", pattern))
    # `encoder: !ref <encoder_size>` is identified by another key than its own
    values = base.get("result", {}).values()
    texts = [str(getattr(value, "value", value)) for value in values]
    keys = dict.fromkeys([*re.findall(r"<(\w+)>", " ".join(texts)), *more])
    return "".join(
        f"_{key}{_in_a_name(settings[key])}"
        for key in keys
        if key in base
        and settings[key] != base[key]
        and f"<{key}>" not in pattern
    )


def _in_a_name(value):
    """What a folder can be called: 32-2-2 for [32, 2, 2]."""
    return re.sub(r"[^\w.-]+", "-", str(value)).strip("-")
