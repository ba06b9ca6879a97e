"""``sbpetl new NAME``: a recipe of one's own, from the template."""

import os
import re
import shutil
from importlib import resources
from pathlib import Path

from ..data.writing import make_folder
from ..errors import ArgumentParser, InputError
from .method_files import MADE

LEFT = shutil.ignore_patterns(*MADE)
FILLED_IN = {  # file -> text of the template -> with the new name
    "hparams/base.yaml": {
        "# The copy-me recipe: everything": "# {name}: everything",
        "dataset: sounds #": "dataset: {name} #",
    },
    "hparams/whisper/base.yaml": {
        "# The copy-me recipe: everything": "# {name}: everything",
        "dataset: sounds #": "dataset: {name} #",
    },
    "train.py": {
        "own labelled sounds, as they are laid out; or copy me": "{name}"
    },
    "README.md": {"# Audio classification: the template": "# {name}"},
}


def main(argv):
    """Write a recipe that runs and whose test passes.

    Arguments
    ---------
    argv : list of str
        The folder to make; its name is that of the data set.
    """
    parser = ArgumentParser(prog="sbpetl new", description=__doc__)
    parser.add_argument("folder", help="the folder to make, such as my_recipe")
    folder = new_recipe(parser.parse_args(argv).folder)
    print(
        f"{folder} is there. Next:\n"
        f"  cd {folder}\n"
        "  python -m pytest test_recipe.py\n"
        "  python train.py hparams/lora.yaml --data_folder=/my/sounds\n"
        "README.md says what is read; change train.py and hparams as you like."
    )


def new_recipe(folder):
    """Copy the template, whole or not at all, its names filled in.

    Arguments
    ---------
    folder : str
        Must not exist yet.

    Returns
    -------
    pathlib.Path
        The folder.

    Example
    -------
    >>> folder = new_recipe(getfixture("tmp_path") / "birds")
    >>> (folder / "README.md").read_text().splitlines()[0]
    '# birds'
    """
    folder = Path(folder)
    if not re.fullmatch(r"[A-Za-z][\w-]*", folder.name):
        raise InputError(
            f"{folder.name} is no name for a recipe: give letters, digits, _ "
            "and -, a letter first"
        )
    if folder.exists():
        raise InputError(f"{folder} is there already: give another name")
    make_folder(folder.parent)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(_template(), part, ignore=LEFT)
    for name, changes in FILLED_IN.items():
        text = (part / name).read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new.format(name=folder.name))
        (part / name).write_text(text, encoding="utf-8")
    os.replace(part, folder)
    return folder


def _template():
    """In a wheel it is in the package, in a clone where it is run."""
    package = Path(str(resources.files(__package__.partition(".")[0])))
    inside = package / "template"
    beside = package.parent / "templates" / "audio_classification"
    return inside if inside.is_dir() else beside
