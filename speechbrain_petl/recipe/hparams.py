"""A method file is a named set of overrides of the base.yaml beside it.

``base.yaml <- method.yaml <- command line``: what one level does not know, the
next may not set. ``python -m speechbrain_petl.recipe.hparams export METHOD.yaml``
writes the three as one self-contained file, as a recipe that goes upstream
must be.
"""

import argparse
import copy
import gc
import sys
import traceback
from pathlib import Path

import torch
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML

import speechbrain as sb

from ..errors import InputError, did_you_mean
from .command_line import parse_arguments
from .yaml_files import (
    dump_yaml,
    load_yaml,
    refuse_another_kind,
    refuse_lost,
    refuse_placeholders,
    update_yaml,
)

BASE = "base.yaml"
WHOLE = "output_folder"  # a yaml that has it needs no base.yaml
# keys that may change between a run and its continuation
PLACES = {
    *("data_folder", "download", "num_workers"),
    *("cache_folder", "ckpt_interval_minutes", "logger"),
}


def parse_recipe(argv):
    """Parse the command line of a recipe and check it against its yaml files.

    Also joins the process group under torchrun. The rest is as in every
    SpeechBrain recipe.

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
    base_file, run_opts, overrides, settings = check_recipe(argv)
    refuse_other_settings(settings)
    if not torch.distributed.is_initialized():
        sb.utils.distributed.ddp_init_group(run_opts)
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
        nothing built.
    """
    method_file, run_opts, command_line = parse_arguments(argv)
    base_file = base_of(method_file)
    overrides = merge(method_file, load_yaml(command_line, "the command line"))
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
    return str(base_file), run_opts, text, load_yaml(resolved, base_file)


def base_of(method_file):
    """The base.yaml that a method file overrides.

    Arguments
    ---------
    method_file : str
        Path of a method file.

    Returns
    -------
    pathlib.Path
        Path of the nearest base.yaml at or above its folder; where there is
        none, the file itself, if it is one that ``export`` has written.
    """
    method_file = Path(method_file)
    if not method_file.is_file():
        near = sorted(p.name for p in method_file.parent.glob("*.yaml"))
        raise InputError(
            f"there is no method file {method_file}."
            + did_you_mean(method_file.name, near)
            + (f" {method_file.parent} has {', '.join(near)}" if near else "")
        )
    for folder in (method_file.parent, method_file.parent.parent):
        if (folder / BASE).is_file():
            return folder / BASE
    if WHOLE in load_yaml(method_file.read_text(encoding="utf-8"), method_file):
        return method_file
    raise InputError(
        f"{method_file} has no {BASE} beside it or one level up, and is none "
        f"by itself: it has no {WHOLE}"
    )


def merge(method_file, overrides):
    """A method file's overrides, overridden.

    Arguments
    ---------
    method_file : str
        Path of a method file; one that needs no other has no overrides.
    overrides : dict
        Further overrides.

    Returns
    -------
    dict
        All of them, with yaml tags and comments.
    """
    merged = YAML().map()
    if base_of(method_file) != Path(method_file):
        text = Path(method_file).read_text(encoding="utf-8")
        merged = load_yaml(text, method_file)
    update_yaml(merged, overrides)
    return merged


def export(method_file, overrides=None):
    """One self-contained yaml of a method: base and method, flattened.

    Arguments
    ---------
    method_file : str
        Path of a method file.
    overrides : dict, optional
        Further overrides.

    Returns
    -------
    str
        The text of a yaml file that needs no other.
    """
    base_file = base_of(method_file)
    flat = load_yaml(base_file.read_text(encoding="utf-8"), base_file)
    update_yaml(flat, merge(method_file, overrides or {}))
    return dump_yaml(flat) + "\n"


def refuse_other_settings(settings):
    """A folder that holds a run continues it, or refuses to be another's.

    Arguments
    ---------
    settings : dict
        As ``check_recipe`` returns them.
    """
    new = copy.deepcopy(settings)
    folder = Path(new.get("output_folder", ""))
    if folder.is_file():
        raise InputError(f"output_folder={folder} is a file: name a folder")
    stored = folder / "hyperparams.yaml"
    finished = Path(new.get("result_file", "")).is_file()
    if not stored.is_file() or not (finished or any(folder.glob("**/CKPT+*"))):
        return
    old = load_yaml(stored.read_text(encoding="utf-8"), stored)
    old, new = _without_places(old), _without_places(new)

    def _shortest_first(key):  # what it is, before a mapping that refers to it
        return isinstance(new.get(key, old.get(key)), dict), key

    for key in sorted(old.keys() | new.keys(), key=_shortest_first):
        pair = [dump_yaml({key: tree.get(key)}) for tree in (old, new)]
        pair = [" ".join(text.split()) for text in pair]
        if pair[0] != pair[1] and not key.startswith("__"):
            raise InputError(
                f"{folder} holds a run with other settings: it had "
                f"`{pair[0]}` where this one has `{pair[1]}`. Give another "
                "--output_folder, or delete that one."
            )


def run(main):
    """Run a recipe's main: bad input is one line and exit code 1.

    Arguments
    ---------
    main : callable
        Takes the command line as a list of str.
    """
    try:
        main(sys.argv[1:])
    except Exception as error:
        if not isinstance(error, InputError) and not _by_a_yaml(error):
            raise
        sys.exit(f"error: {' '.join(str(error).split())}")
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
            gc.collect()  # ends its threads: one alive at exit may abort it


def _by_a_yaml(error):
    """Whether HyperPyYAML could not build what a yaml file asks for."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(f.filename).parent.name == "hyperpyyaml" for f in frames)


def _without_places(tree):
    """A yaml tree without the keys that may change, at any depth."""
    for key in list(tree):
        if key in PLACES:
            del tree[key]
        elif isinstance(tree[key], dict):
            _without_places(tree[key])
    return tree


def main(argv):
    """The command line of this module.

    Arguments
    ---------
    argv : list of str
        ``export METHOD.yaml``
    """
    parser = argparse.ArgumentParser(
        prog="python -m speechbrain_petl.recipe.hparams"
    )
    parser.add_argument("action", choices=["export"])
    parser.add_argument("method", help="a file of hparams, printed in full")
    print(export(parser.parse_args(argv).method), end="")


if __name__ == "__main__":
    run(main)
