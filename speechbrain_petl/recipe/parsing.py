"""The command line of a recipe: ``base.yaml <- method.yaml <- options``.

What one level does not know, the next may not set.
"""

import math
import re
import shlex

import torch
from ruamel.yaml.comments import TaggedScalar

import speechbrain as sb

from ..errors import InputError, did_you_mean
from .command_line import parse_arguments
from .experiment import WRITTEN, make_folders
from .method_files import base_of, override
from .replacing import with_replaced
from .settings import GENERATED, refuse_other_settings, settings_of
from .yaml_files import dump_yaml, load_yaml, read_yaml, tag_of

KINDS = {  # of a value in base.yaml -> what may replace it
    bool: (bool, "True or False"),
    int: (int, "a whole number"),
    float: ((float, int), "a number"),
    dict: (dict, "a mapping, {key: value}"),
    # what else may stand there is for the one who takes it to say
    str: ((str, list, dict, type(None)), "a text, a number in quotes"),
}
SEEDS = range(1 << 32)  # SpeechBrain makes 0 of any other
PATHS = ("_folder", "_file")  # how their keys end
NEEDED = ("output_folder", "save_folder", *WRITTEN)


def parse_recipe(argv):
    """Parse the command line of a recipe and check it against its yaml files.

    Also joins the process group under torchrun, and locks the output folder.
    The rest is as in every SpeechBrain recipe.

    Arguments
    ---------
    argv : list of str
        A method file, SpeechBrain's run options and ``--key=value``
        overrides.

    Returns
    -------
    hparams_file : str
        The base.yaml beside the method file, for ``load_hyperpyyaml``; or
        one for this process, where classes in it are replaced.
    run_opts : speechbrain.utils.run_opts.RunOptions
        For the Brain.
    overrides : str
        The method file and the command line as one set of overrides.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "base.yaml").write_text("seed: 1\\nlr: 0.1\\nmethod: x")
    >>> _ = (folder / "lora.yaml").write_text("method: lora\\nlr: 0.005")
    >>> argv = [str(folder / "lora.yaml"), "--seed=7", "--device=cpu"]
    >>> _, run_opts, overrides = parse_recipe(argv)
    >>> print(overrides)
    method: lora
    lr: 0.005
    seed: 7
    """
    base_file, run_opts, overrides, settings = check_recipe(argv)
    refuse_other_settings(settings)
    if not torch.distributed.is_initialized():
        sb.utils.distributed.ddp_init_group(run_opts)
    make_folders(settings)
    return base_file, run_opts, overrides


def check_recipe(argv):
    """As ``parse_recipe``, for those that plan runs: it starts nothing.

    Arguments
    ---------
    argv : list of str
        As for ``parse_recipe``.

    Returns
    -------
    hparams_file, run_opts, overrides : tuple
        As ``parse_recipe`` returns them.
    settings : dict
        base.yaml with these overrides and with its references resolved, but
        nothing built; and the run options that change the result.
    """
    method_file, run_opts, command_line = parse_arguments(argv)
    base_file = base_of(method_file)
    given = load_yaml(command_line, "the command line")
    _check_given(given, method_file)
    overrides = override(method_file, given)
    known = read_yaml(base_file)
    for key, value in overrides.items():
        if key not in known:
            raise InputError(
                f"{key} is no key of {base_file}.{did_you_mean(key, known)} "
                f"It has: {', '.join(k for k in known if k[:2] != '__')}"
            )
        _refuse_another_kind(key, value, known[key], base_file)
    _refuse_placeholders(known, overrides, base_file)
    base_file = with_replaced(known, overrides, base_file)
    text = dump_yaml(overrides)
    settings = load_yaml(settings_of(base_file, text, run_opts), base_file)
    _check_settings(settings)
    return str(base_file), run_opts, text, settings


def _check_given(given, method_file):
    """Refuse a value that would reach some of its places, or be a path as it is."""
    with open(method_file, "rb") as file:
        of_a_run = file.read(len(GENERATED)) == GENERATED.encode()
    if of_a_run and given:
        raise InputError(
            f"--{next(iter(given))}: {method_file} is of a run, with the value "
            "of each place filled in, and runs as it is; give the method file "
            "that the run was of"
        )
    for key, value in given.items():
        path = key.endswith(PATHS) and isinstance(value, str)
        if path and re.search(r"<\w+>", value):
            raise InputError(
                f"{key}={value}: a name in <> is filled in after !ref alone: "
                f"write --{key}={shlex.quote(f'!ref {value}')}"
            )


def _refuse_another_kind(key, value, default, base_file):
    """Refuse what is no number where there was one, and so on."""
    made = str(tag_of(default)).startswith(("!new:", "!name:"))
    if made and not tag_of(value) and not isinstance(value, dict):
        raise InputError(
            f"{key}={'null' if value is None else value}: {base_file} has "
            f"{tag_of(default)} there, give another class, by !new: or !name:"
        )
    kind = next((k for k in KINDS if isinstance(default, k)), None)
    # another class, with no arguments or with a list of them
    whole = isinstance(value, TaggedScalar) or isinstance(value, list) and made
    if kind is None or whole and tag_of(value):
        return
    if kind is dict and isinstance(value, dict):
        for name, inner in value.items():
            if inner is not None and name in default:
                inside = f"{key}: {name}"
                _refuse_another_kind(inside, inner, default[name], base_file)
    fits = isinstance(value, KINDS[kind][0])
    fits = fits and isinstance(value, bool) == (kind is bool)
    if isinstance(value, float) and not math.isfinite(value):
        fits = False
    if not fits:
        there = "a mapping" if kind is dict else default
        raise InputError(
            f"{key}={'null' if value is None else value}: {base_file} has "
            f"{there} there, give {KINDS[kind][1]}"
        )


def _check_settings(settings):
    """Refuse what is no path and no seed, whatever it is made of."""
    for key, value in settings.items():
        given = "null" if value is None else value
        text = isinstance(value, str) or (value is None and key not in NEEDED)
        if key.endswith(PATHS) and not text:
            raise InputError(f"{key}={given}: give a path, a number in quotes")
        if key.endswith("seed") and isinstance(value, int):
            if value not in SEEDS:
                raise InputError(f"{key}={value}: give 0 to {SEEDS[-1]}")


def _refuse_placeholders(base, overrides, base_file):
    """Refuse a ``!PLACEHOLDER`` that nothing has replaced."""
    for key, value in base.items():
        given = overrides.get(key) not in (value, None)
        if tag_of(value) == "!PLACEHOLDER" and not given:
            raise InputError(
                f"{base_file} leaves {key} to you: add --{key}=..."
            )
