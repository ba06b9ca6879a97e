"""What is written is whole or not there, whenever the process is killed."""

import json
import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from ..errors import InputError


@contextmanager
def whole_file(path):
    """Where to write a file that comes into its place when it is whole.

    Arguments
    ---------
    path : str or os.PathLike
        The file. Other processes may write it at the same time.

    Yields
    ------
    str
        Beside it, a name of this process's own.

    Example
    -------
    >>> path = getfixture("tmp_path") / "labels.txt"
    >>> with whole_file(path) as part:
    ...     _ = open(part, "w").write("dog")
    >>> path.read_text(), len(os.listdir(path.parent))
    ('dog', 1)
    """
    part = f"{path}.{os.getpid()}.part"
    yield part
    os.replace(part, path)


def write_json(path, tree):
    """Write a json file, and its folder if that is missing.

    Arguments
    ---------
    path : str
        The file. Other runs may write it at the same time.
    tree : dict
        What json can hold.

    Example
    -------
    >>> path = str(getfixture("tmp_path") / "save" / "train.json")
    >>> write_json(path, {"a": {"label": "dog"}})
    >>> os.listdir(os.path.dirname(path))
    ['train.json']
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with whole_file(path) as part, open(part, "w", encoding="utf-8") as file:
        json.dump(tree, file, indent=1)


def make_folder(path, option=""):
    """Make a folder, and refuse one that takes no files.

    Arguments
    ---------
    path : str or os.PathLike
        The folder; it may be there.
    option : str
        Its option on the command line, for the error message.

    Returns
    -------
    pathlib.Path
        The same.

    Example
    -------
    >>> make_folder("/dev/null", "--pictures=")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: --pictures=/dev/null cannot be written: ...
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise InputError(f"{option}{path} cannot be written: {error.strerror}")


def refuse_no_file(path, option=""):
    """Refuse what a file would be written in the place of.

    Arguments
    ---------
    path : str or os.PathLike
        It need not be there.
    option : str
        Its option on the command line, for the error message.

    Example
    -------
    >>> refuse_no_file("/dev/null", "--csv=")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: --csv=/dev/null is a device: name a file
    """
    there = Path(path)
    if there.is_dir():
        raise InputError(f"{option}{path} is a folder: name a file")
    if there.exists() and not there.is_file():
        raise InputError(f"{option}{path} is a device: name a file")


def check_file(path, option=""):
    """Refuse a file that could not be written, before any long work.

    Arguments
    ---------
    path : str or os.PathLike
        The file; its folder is there.
    option : str
        Its option on the command line, for the error message.

    Example
    -------
    >>> check_file("/nowhere/a.csv", "--csv=")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: --csv=/nowhere/a.csv: there is no such folder
    """
    refuse_no_file(path, option)
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise InputError(f"{option}{path}: there is no such folder")
    make_folder(folder, option)


def refuse_twice(paths):
    """Refuse a folder or file that is given twice, which counts double.

    Arguments
    ---------
    paths : list of str or os.PathLike
        Written in any way.

    Example
    -------
    >>> refuse_twice(["results/a", "./results/a"])
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: ./results/a is given twice
    """
    found = set()
    for path in paths:
        place = os.path.realpath(os.path.expanduser(path))
        if place in found:
            raise InputError(f"{path} is given twice")
        found.add(place)
