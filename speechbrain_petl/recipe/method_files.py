"""A method file is a named set of overrides of the base.yaml beside it.

``sbpetl export METHOD.yaml`` writes the two as one self-contained file, as a
recipe that goes upstream must be.
"""

from pathlib import Path

from ruamel.yaml import YAML

from ..errors import InputError, did_you_mean
from .yaml_files import dump_yaml, load_yaml, update_yaml

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
    if WHOLE in load_yaml(method_file.read_text(encoding="utf-8"), method_file):
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
    update_yaml(flat, override(method_file, overrides or {}))
    return dump_yaml(flat) + "\n"
