"""A method file is a named set of overrides of the base.yaml beside it.

``sbpetl export METHOD.yaml`` writes the two as one self-contained file, as a
recipe that goes upstream must be.
"""

from pathlib import Path

from ruamel.yaml import YAML

from ..errors import ArgumentParser, InputError, did_you_mean
from .yaml_files import dump_yaml, read_yaml, update_yaml

BASE = "base.yaml"
WHOLE = "output_folder"  # a yaml that has it needs no base.yaml


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
    if WHOLE in read_yaml(method_file):
        return method_file
    raise InputError(
        f"{method_file} has no {BASE} beside it or one level up, and is none "
        f"by itself: it has no {WHOLE}"
    )


def override(method_file, overrides):
    """A method file's overrides, overridden in turn.

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
    whole = base_of(method_file) == Path(method_file)
    merged = YAML().map() if whole else read_yaml(method_file)
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
    flat = read_yaml(base_of(method_file))
    update_yaml(flat, override(method_file, overrides or {}))
    return dump_yaml(flat) + "\n"


def main(argv):
    """``sbpetl export``: print a method file in full.

    Arguments
    ---------
    argv : list of str
        A method file.
    """
    parser = ArgumentParser(prog="sbpetl export", description=__doc__)
    parser.add_argument("method", help="a file of a recipe's hparams")
    print(export(parser.parse_args(argv).method), end="")
