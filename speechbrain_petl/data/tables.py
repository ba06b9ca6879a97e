"""The rows of a data set's csv file, each with its line number."""

import os

from speechbrain.utils.logger import get_logger

from ..errors import InputError, refuse_all
from .cells import find_columns, read_cells

logger = get_logger(__name__)


def read_table(path, columns, optional=(), synonyms=None, problems=None):
    """Read the named columns of a csv or tsv file and check that they are filled.

    Comma, semicolon or tab; UTF-8, UTF-16 or Latin-1. Column names are found
    in any case. Blank lines and other columns are left out. All that is wrong
    is said at once.

    Arguments
    ---------
    path : str
        The file, with a line of column names.
    columns : sequence of str
        Names of the columns that must be there.
    optional : sequence of str
        Names of columns that may be there, and be empty.
    synonyms : callable, optional
        From the names in the file to name -> what else a column may be called.
    problems : list, optional
        Takes what is wrong with rows, which are left out, for the caller to
        say with all else; without it they are an error here.

    Returns
    -------
    list of tuple
        (line number, column -> value), in the order of the file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "songs.csv"
    >>> _ = path.write_text("Song;sample;year\\n\\na.wav;break;1986\\n")
    >>> read_table(path, ["song", "sample"])
    [(3, {'song': 'a.wav', 'sample': 'break'})]
    """
    lines = read_cells(path)
    header = lines[0][1] if lines else []
    index_of = find_columns(
        header, [*columns, *optional], synonyms and synonyms(header)
    )
    missing = [column for column in columns if column not in index_of]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}. Its first line names: "
            f"{', '.join(header) or 'nothing'}. Rename the right one."
        )
    if len(lines) == 1:
        raise InputError(f"{path} lists nothing below its column names")
    taken = {n: header[i] for n, i in index_of.items() if header[i] != n}
    if taken:
        said = ", ".join(
            f"{name} is {column}" for name, column in taken.items()
        )
        logger.info(f"{path}: {said}")
    rows, wrong = [], [] if problems is None else problems
    for line, cells in lines[1:]:
        row = {name: cells[i] for name, i in index_of.items() if i < len(cells)}
        empty = [name for name in columns if not row.get(name)]
        if len(cells) < len(header) or any(cells[len(header) :]):
            wrong.append(
                f"line {line}: {len(cells)} values for {len(header)} columns, "
                "quote values that hold the delimiter"
            )
        elif empty:
            wrong.append(f"line {line}: {header[index_of[empty[0]]]} is empty")
        else:
            rows.append((line, row))
    if problems is None:
        refuse_all(path, wrong)
    return rows


def find_table(root, name, what):
    """The path of a file that must be in a data set's folder.

    Arguments
    ---------
    root : str
        The folder that the user gave.
    name : str
        The file, relative to it.
    what : str
        What the file holds, for the error message.

    Returns
    -------
    str
        Its absolute path.
    """
    if not isinstance(name, str):
        raise InputError(f"{name} is no name of a file, {what}")
    path = os.path.join(root, name)
    if os.path.isfile(path):
        return os.path.abspath(path)
    remedy = f"Give the folder that holds {name}, {what}."
    raise wrong_folder(root, name, remedy)


def wrong_folder(root, name, remedy):
    """The error to raise for a folder that lacks what a data set must have.

    Arguments
    ---------
    root : str
        The folder that the user gave.
    name : str
        What is not in it.
    remedy : str
        What the user can do about it: the end of the message.

    Returns
    -------
    InputError
        It says what there is instead.

    Example
    -------
    >>> raise wrong_folder("/nowhere", "meta.csv", "Give the folder of it.")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: data_folder=/nowhere is no folder. Give the folder of it.
    """
    what = "is no folder"
    if os.path.isdir(root):
        found = ", ".join(sorted(os.listdir(root))[:5])
        what = f"holds no {name} (it has: {found or 'nothing'})"
    return InputError(f"data_folder={root} {what}. {remedy}")


def listed_file(row, folder, name):
    """The path of an audio file that a row names.

    Arguments
    ---------
    row : str
        Csv file and line, for the error message.
    folder : str
        What the name is relative to, and where it must lie: whoever wrote the
        table has no business elsewhere.
    name : str
        Of the file.

    Returns
    -------
    str
        Its path.
    """
    if not is_inside(name, folder):
        raise InputError(
            f"{row}: {name} leads out of {folder}. Put the file below it, or "
            "a link to its folder, and correct the name."
        )
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise InputError(
            f"{row}: the audio file {path} is missing. Correct the name, or "
            "copy the file there."
        )
    return path


def is_inside(name, folder="."):
    """Whether what a file or an archive names lies below a folder.

    Arguments
    ---------
    name : str
        A path that somebody else wrote.
    folder : str
        What it is relative to.

    Returns
    -------
    bool
        False for ``..`` that lead out, with backslashes too, and for absolute
        paths of other places.

    Example
    -------
    >>> is_inside("a/../b.wav"), is_inside("a/../../b.wav")
    (True, False)
    >>> is_inside("/data/b.wav"), is_inside("/data/b.wav", "/data")
    (False, True)
    """
    folder = os.path.abspath(folder)
    path = os.path.join(folder, name.replace("\\", "/"))
    return os.path.abspath(path).startswith(os.path.join(folder, ""))
