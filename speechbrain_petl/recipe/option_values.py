"""What SpeechBrain's run options can be, checked before anything is done.

argparse answers a wrong value with its usage, and takes some that end in a
traceback, in no training at all, or in one that goes uphill.
"""

import dataclasses
import math
import typing
from pathlib import Path

from speechbrain.utils.run_opts import RunOptions

from ..errors import InputError, did_you_mean

KINDS = {f.name: f.type for f in dataclasses.fields(RunOptions)}
LEAST = {  # name -> smallest value
    **dict.fromkeys(("debug_batches", "debug_epochs"), 1),
    **dict.fromkeys(("grad_accumulation_factor", "optimizer_step_limit"), 1),
    **dict.fromkeys(("ckpt_interval_minutes", "ckpt_interval_steps"), 0),
    **dict.fromkeys(("nonfinite_patience", "profile_warmup"), 0),
    "profile_steps": 1,
}
FILES = ("log_config",)
REFUSED = {  # name -> why, and what to do
    "data_parallel_backend": "start the recipe with torchrun instead",
    "data_parallel_count": "start the recipe with torchrun instead",
    "jit": "these modules have no TorchScript: take --compile",
    "jit_module_keys": "these modules have no TorchScript: take --compile",
}
GPU_ONLY = ("auto_mix_prec",)


def check_value(name, value, on_cpu=False):
    """Refuse a value that an option cannot have.

    Arguments
    ---------
    name : str
        Of a run option.
    value : str
        As the command line has it; empty for a flag.
    on_cpu : bool
        Whether the run is to be on a CPU.

    Example
    -------
    >>> check_value("precision", "bf16")
    >>> check_value("grad_accumulation_factor", "-2")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: --grad_accumulation_factor=-2: give a whole number, 1 or more
    """
    if name in REFUSED:
        raise InputError(f"--{name}: {REFUSED[name]}")
    if name in GPU_ONLY and on_cpu:
        raise InputError(
            f"--{name} needs a GPU: --precision=bf16 runs on a CPU"
        )
    kinds = [k for k in _kinds(KINDS[name]) if k is not type(None)]
    if int in kinds or float in kinds:
        _check_number(name, value, int in kinds)
    choices = [c for k in kinds for c in typing.get_args(k)]
    if kinds and typing.get_origin(kinds[0]) is typing.Literal:
        if value not in choices:
            near = did_you_mean(value, choices)
            words = ", ".join(choices)
            raise InputError(f"--{name}={value} is none of {words}.{near}")
    if name in FILES and not Path(value).is_file():
        raise InputError(f"--{name}={value}: there is no such file")


def _kinds(kind):
    union = typing.get_origin(kind) is typing.Union
    return typing.get_args(kind) if union else [kind]


def _check_number(name, value, whole):
    least = LEAST.get(name, -math.inf)
    try:
        number = (int if whole else float)(value)
        wrong = not least <= number < math.inf
    except ValueError:
        wrong = True
    if wrong:
        what = "a whole number" if whole else "a number"
        bound = f", {least} or more" if least > -math.inf else ""
        raise InputError(f"--{name}={value}: give {what}{bound}")
