"""A recipe's command line, without the traps of SpeechBrain's parser.

``argparse`` takes ``--optimizer=adamw`` for ``--optimizer_step_limit`` and
drops it; SpeechBrain glues what it does not know to the option before it.
"""

import dataclasses

import torch

import speechbrain as sb
from speechbrain.utils.run_opts import RunOptions

from ..errors import InputError
from .option_values import check_value

OPTIONS = RunOptions().as_dict()
FLAGS = {name for name, default in OPTIONS.items() if default is False}


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
    method_file, run_opts, overrides = sb.parse_arguments(_last_ones(argv))
    return method_file, _mend(run_opts), overrides


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
    if (
        run_opts.ckpt_interval_steps > 0
        and "ckpt_interval_minutes" not in given
    ):
        given.add("ckpt_interval_minutes")  # steps replace minutes
    return dataclasses.replace(run_opts, overridden_args=given, **changed)


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


def _last_ones(argv):
    """The command line, and of a repeated option the last."""
    if not argv or argv[0] in ("-h", "--help"):
        return argv  # argparse answers
    if argv[0].startswith("-"):
        raise InputError(f"{argv[0]}: the method file comes first")
    options, name, wanted = {}, None, False
    for argument in argv[1:]:
        if argument.startswith("--"):
            name, sign, value = argument[2:].partition("=")
            _refuse_lost_argument(name, sign, value)
            options.pop(name, None)
            options[name] = [argument]
            wanted = not sign and name not in FLAGS
        elif wanted and "=" not in argument:
            options[name].append(argument)
            wanted = name.endswith("_module_keys")  # takes a list
        else:
            raise InputError(f"{argument}: options are written --key=value")
    _check_values(options)
    return [argv[0], *(a for option in options.values() for a in option)]


def _check_values(options):
    """The run options, before argparse answers with its usage."""
    values = {
        name: arguments[0].partition("=")[2] or " ".join(arguments[1:])
        for name, arguments in options.items()
    }
    on_cpu = values.get("device", "cpu").startswith("cpu")
    for name in OPTIONS.keys() & values.keys() - {"device"}:
        check_value(name, values[name], on_cpu)
    if values.get("device") == "":
        raise InputError("--device= is empty: give such as cpu or cuda")


def _refuse_lost_argument(name, sign, value):
    """Name an argument that argparse would swallow or cut."""
    longer = [o for o in OPTIONS if o.startswith(name)]
    if longer and name not in OPTIONS:
        raise InputError(
            f"--{name} would be taken for SpeechBrain's --{longer[0]}: "
            "write run options out"
        )
    if name in FLAGS and sign:
        raise InputError(f"--{name} takes no value, drop `={value}`")
    if "=" in value:
        raise InputError(
            f"--{name}={value}: SpeechBrain would cut the value at its `=`; "
            "put it into a yaml file"
        )
