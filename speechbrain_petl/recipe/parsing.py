"""The command line of a recipe: ``base.yaml <- method.yaml <- options``.

What one level does not know, the next may not set.
"""

import torch
from hyperpyyaml import resolve_references

import speechbrain as sb

from ..errors import InputError, did_you_mean
from .checks import refuse_another_kind, refuse_lost, refuse_placeholders
from .command_line import parse_arguments
from .experiment import make_folders
from .method_files import base_of, override
from .notes import NOTES
from .run_options import with_run_options
from .settings import refuse_other_settings
from .yaml_files import dump_yaml, load_yaml


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
        The base.yaml beside the method file, for ``load_hyperpyyaml``.
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
    NOTES.listen()
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
    hparams_file : str
        The base.yaml beside the method file.
    run_opts : speechbrain.utils.run_opts.RunOptions
        For the Brain.
    overrides : str
        The method file and the command line as one set of overrides.
    settings : dict
        base.yaml with these overrides and with its references resolved, but
        nothing built; and the run options that change the result.
    """
    method_file, run_opts, command_line = parse_arguments(argv)
    base_file = base_of(method_file)
    overrides = override(
        method_file, load_yaml(command_line, "the command line")
    )
    known = load_yaml(base_file.read_text(encoding="utf-8"), base_file)
    for key, value in overrides.items():
        if key not in known:
            raise InputError(
                f"{key} is no key of {base_file}.{did_you_mean(key, known)} "
                f"It has: {', '.join(k for k in known if k[:2] != '__')}"
            )
        refuse_another_kind(key, value, known[key], base_file)
    refuse_placeholders(known | overrides, known, base_file)
    refuse_lost(known, overrides, base_file)
    text = dump_yaml(overrides)
    with open(base_file, encoding="utf-8") as file:
        resolved = resolve_references(file, text).getvalue()
    settings = load_yaml(with_run_options(resolved, run_opts), base_file)
    return str(base_file), run_opts, text, settings
