"""A method file is a named set of overrides of the base.yaml beside it.

``sbpetl export METHOD.yaml`` writes the two as one self-contained file, as a
recipe that goes upstream must be; ``sbpetl export RECIPE --into FOLDER`` a whole
recipe of such files.
"""

import os
import re
import shutil
from pathlib import Path

from ruamel.yaml import YAML

from ..data.writing import make_folder
from ..errors import ArgumentParser, InputError, did_you_mean
from .yaml_files import dump_yaml, read_yaml, update_yaml
from .yaml_text import header_of, overlay

BASE = "base.yaml"
HPARAMS = "hparams"
# what the header of a base.yaml says of itself
FOR_ALL = re.compile(
    r"(?s): everything the methods\b[^.]*\.((?:(?!\n#\n).)*?beside this one\.)?"
)
MADE = ("results", "search", "report", "__pycache__", ".*")  # by what was run
LEFT = shutil.ignore_patterns(HPARAMS, *MADE, "kept*", "*.csv", "*.db")
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
        The text of a yaml file that needs no other, with all comments.
    """
    base, text = base_of(method_file), _read(method_file)
    if base != Path(method_file):
        below = _read(base)
        head = header_of(text) + FOR_ALL.sub("", header_of(below), count=1)
        text = head + overlay(below, text)[len(header_of(below)) :]
    return overlay(text, dump_yaml(overrides or {}) if overrides else "")


def _read(path):
    return Path(path).read_text(encoding="utf-8")


def export_folder(recipe, folder, methods=None):
    """A recipe whose yaml files are self-contained, whole or not at all.

    Arguments
    ---------
    recipe : str or os.PathLike
        Its folder, with a train.py and hparams.
    folder : str or os.PathLike
        The one to make; must not exist yet.
    methods : list of str, optional
        Names of method files, such as "lora" or "whisper/lora"; all of them
        by default.

    Returns
    -------
    list of pathlib.Path
        The yaml files.
    """
    recipe, folder = Path(recipe), Path(folder)
    hparams = recipe / HPARAMS
    if not hparams.is_dir():
        raise InputError(f"{recipe} is no recipe: it has no folder {HPARAMS}")
    if folder.exists():
        raise InputError(f"{folder} is there already: give another name")
    found = (p for p in sorted(hparams.rglob("*.yaml")) if p.name != BASE)
    files = [p.relative_to(hparams).with_suffix("") for p in found]
    texts = {n: export(hparams / f"{n}.yaml") for n in methods or files}
    make_folder(folder.parent, "--into=")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(recipe, part, ignore=LEFT)
    for inner in part.glob("*/train.py"):  # recipes of their own
        shutil.rmtree(inner.parent)
    for name, text in texts.items():
        path = part / HPARAMS / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    os.replace(part, folder)
    return [folder / HPARAMS / f"{name}.yaml" for name in texts]


def main(argv):
    """``sbpetl export``: a method file in full, or a whole recipe of them.

    Arguments
    ---------
    argv : list of str
        A method file; or a recipe, and the folder to write.
    """
    parser = ArgumentParser(prog="sbpetl export", description=__doc__)
    add = parser.add_argument
    add("source", help="a method file, printed in full; or a recipe's folder")
    add("--methods", help="of the recipe, such as lora,linear; default: all")
    add("--into", metavar="FOLDER", help="to make, for the whole recipe")
    args = parser.parse_args(argv)
    if not args.into and not args.methods and not Path(args.source).is_dir():
        print(export(args.source), end="")
    elif not args.into:
        raise InputError(f"{args.source}: add --into=FOLDER for a whole recipe")
    else:
        names = args.methods.split(",") if args.methods else None
        for path in export_folder(args.source, args.into, names):
            print(path)
