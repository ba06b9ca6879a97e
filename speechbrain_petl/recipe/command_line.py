"""A recipe's command line, without the traps of SpeechBrain's parser.

``argparse`` takes ``--optimizer=adamw`` for ``--optimizer_step_limit`` and
drops it, answers a wrong value with its usage, and lets some pass that end in
a traceback, in no training at all, or in one that goes uphill. SpeechBrain
glues what it does not know to the option before it, and cuts values at a `=`.
"""

import dataclasses
import math
import typing
from pathlib import Path

import torch

import speechbrain as sb
from speechbrain.utils.run_opts import RunOptions

from ..errors import InputError, check_choice

OPTIONS = RunOptions().as_dict()
KINDS = {f.name: f.type for f in dataclasses.fields(RunOptions)}
FLAGS = {name for name, default in OPTIONS.items() if default is False}
LEAST = {  # name -> smallest value
    **dict.fromkeys(("debug_batches", "debug_epochs"), 1),
    **dict.fromkeys(("grad_accumulation_factor", "optimizer_step_limit"), 1),
    **dict.fromkeys(("ckpt_interval_minutes", "ckpt_interval_steps"), 0),
    **dict.fromkeys(("nonfinite_patience", "profile_warmup"), 0),
    "profile_steps": 1,
}
REFUSED = {  # name -> why, and what to do
    "data_parallel_backend": "start the recipe with torchrun instead",
    "data_parallel_count": "start the recipe with torchrun instead",
    "jit": "these modules have no TorchScript: take --compile",
    "jit_module_keys": "these modules have no TorchScript: take --compile",
}


def parse_arguments(argv):
    """As ``speechbrain.parse_arguments``, but nothing is lost.

    Arguments
    ---------
    argv : list of str
        A method file, then SpeechBrain's run options and ``--key=value``
        overrides; the last of a repeated one counts.

    Returns
    -------
    method_file : str
        The first argument.
    run_opts : speechbrain.utils.run_opts.RunOptions
        For the Brain.
    overrides : str
        In yaml.

    Example
    -------
    >>> argv = ["lora.yaml", "--device=cpu", "--seed=1", "--seed=2"]
    >>> parse_arguments(argv)[2]
    'seed: 2'
    """
    overrides = []
    if argv and argv[0] not in ("-h", "--help"):  # argparse answers these
        if argv[0].startswith("-"):
            raise InputError(f"{argv[0]}: the method file comes first")
        options = _last_ones(argv[1:])
        _check_values(options)
        argv = argv[:1]
        for name, arguments in options.items():
            if name in OPTIONS:
                argv += arguments
            else:
                overrides.append(f"{name}: {_in_yaml(_value(arguments))}")
    method_file, run_opts, _ = sb.parse_arguments(argv)
    return method_file, _mend(run_opts), "\n".join(overrides)


def joined(arguments):
    """Options with their values in one word, the last of a repeated one.

    Arguments
    ---------
    arguments : list of str
        Of train.py, without a method file.

    Returns
    -------
    list of str
        The same options, so that one option is always one text.

    Example
    -------
    >>> joined(["--lr", "0.1", "--debug", "--seed=1", "--seed=2"])
    ['--lr=0.1', '--debug', '--seed=2']
    """
    return [
        word
        for option, *values in _last_ones(arguments).values()
        for word in (
            [f"{option}={values[0]}"] if len(values) == 1 else [option, *values]
        )
    ]


def check_device(device):
    """Refuse a device that this machine does not have.

    Arguments
    ---------
    device : str
        Such as "cpu" or "cuda:1".

    Example
    -------
    >>> check_device("cpu")
    """
    try:
        torch.zeros(0, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device={device} is not there: {reason}")


def _last_ones(arguments):
    """Name of an option -> its arguments, of a repeated one the last."""
    options, name, wanted = {}, None, False
    for argument in arguments:
        if argument.startswith("--"):
            name, sign, value = argument[2:].partition("=")
            _refuse_lost_argument(name, f"={value}" if sign else "")
            options.pop(name, None)
            options[name] = [argument]
            wanted = not sign and name not in FLAGS
        elif wanted:
            options[name].append(argument)
            wanted = name.endswith("_module_keys")  # takes a list
        else:
            raise InputError(f"{argument}: options are written --key=value")
    return options


def _refuse_lost_argument(name, value):
    """Name an argument that argparse would swallow; the value has its `=`."""
    longer = [o for o in OPTIONS if o.startswith(name)]
    if longer and name not in OPTIONS:
        raise InputError(
            f"--{name} would be taken for SpeechBrain's --{longer[0]}: "
            "write run options out"
        )
    if name in FLAGS and value:
        raise InputError(f"--{name} takes no value, drop `{value}`")


def _value(arguments):
    """What stands after the name of an option."""
    return arguments[0].partition("=")[2] or " ".join(arguments[1:])


def _in_yaml(value):
    """A value as it is, or quoted where yaml would cut a path or a text."""
    tag = "!ref " if value.startswith("!ref ") else ""
    value = value.removeprefix(tag)
    path = value.startswith(("/", "./", "../", "~/"))
    if path or (" #" in f" {value}" and value[0] not in "\"'{[!"):
        value = "'" + value.replace("'", "''") + "'"
    return tag + value


def _check_values(options):
    """Refuse what run options cannot be, before argparse sees it."""
    values = {
        name: _value(arguments)
        for name, arguments in options.items()
        if name in OPTIONS
    }
    device = values.pop("device", "cpu")
    for name, value in values.items():
        _check_value(name, value, device.startswith("cpu"))
    if device == "":
        raise InputError("--device= is empty: give such as cpu or cuda")


def _check_value(name, value, on_cpu):
    if name in REFUSED:
        raise InputError(f"--{name}: {REFUSED[name]}")
    if name == "auto_mix_prec" and on_cpu:
        raise InputError(
            f"--{name} needs a GPU: --precision=bf16 runs on a CPU"
        )
    if name == "log_config" and not Path(value).is_file():
        raise InputError(f"--{name}={value}: there is no such file")
    inner = typing.get_args(KINDS[name])
    for kind in {int, float}.intersection((KINDS[name], *inner)):
        _check_number(name, value, kind)
    if typing.get_origin(KINDS[name]) is typing.Literal:
        check_choice(f"--{name}", value, inner)


def _check_number(name, value, kind):
    least = LEAST.get(name, -math.inf)
    try:
        fits = least <= kind(value) < math.inf
    except ValueError:
        fits = False
    if not fits:
        what = "a whole number" if kind is int else "a number"
        bound = f", {least} or more" if name in LEAST else ""
        raise InputError(f"--{name}={value}: give {what}{bound}")


def _mend(run_opts):
    """Options that SpeechBrain takes and then stumbles over."""
    device, changed = run_opts.device, {}
    if device is not None:
        check_device(device)
    on_cpu = device == "cpu" or not torch.accelerator.is_available()
    for name in ("precision", "eval_precision"):
        if on_cpu and getattr(run_opts, name) == "fp16":
            raise InputError(f"--{name}=fp16 needs a GPU: bf16 runs on a CPU")
    # NCCL cannot serve CPU processes, and gloo always can
    if on_cpu and "distributed_backend" not in run_opts.overridden_args:
        changed["distributed_backend"] = "gloo"
    if run_opts.optimizer_step_limit is not None:
        limit = int(run_opts.optimizer_step_limit)  # argparse leaves a text
        changed["optimizer_step_limit"] = limit
    given = set(run_opts.overridden_args)
    if run_opts.ckpt_interval_steps > 0:
        given.add("ckpt_interval_minutes")  # steps replace minutes
    return dataclasses.replace(run_opts, overridden_args=given, **changed)
