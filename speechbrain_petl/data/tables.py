"""The rows of a data set's csv file, each with its line number."""

import csv
import os

from ..errors import InputError


def read_table(path, columns, optional=()):
    """Read the named columns of a csv file and check that they are filled.

    The delimiter is the comma, or the semicolon of many spreadsheets. Blank
    lines and other columns are left out.

    Arguments
    ---------
    path : str
        The csv file, with a line of column names.
    columns : sequence of str
        Names of the columns that must be there.
    optional : sequence of str
        Names of columns that may be there.

    Returns
    -------
    list of tuple
        (line number, column -> value), in the order of the file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "songs.csv"
    >>> _ = path.write_text("song,sample,year\\n\\na.wav,break,1986\\n")
    >>> read_table(path, ["song", "sample"])
    [(3, {'song': 'a.wav', 'sample': 'break'})]
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            comma = ";" if head.count(";") > head.count(",") else ","
            reader = csv.DictReader(file, delimiter=comma, strict=True)
            names = reader.fieldnames or []
            _check_header(path, names, columns)
            used = [n for n in names if n in (*columns, *optional)]
            rows = [_checked(path, reader, row, used) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no csv file in UTF-8: {error}")
    if not rows:
        raise InputError(f"{path} lists nothing below its column names")
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


def _check_header(path, names, columns):
    missing = [c for c in columns if c not in names]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}. Its first line names: "
            f"{', '.join(names) or 'nothing'}"
        )


def _checked(path, reader, row, used):
    """One row's line number and values; DictReader leaves out blank lines."""
    line = reader.line_num
    if None in row or None in row.values():
        found = sum(v is not None for k, v in row.items() if k is not None)
        found += len(row.get(None, ()))
        raise InputError(
            f"{path}, line {line}: {found} values for {len(reader.fieldnames)} "
            "columns. Quote values that hold the delimiter."
        )
    values = {name: row[name].strip() for name in used}
    empty = [name for name, value in values.items() if not value]
    if empty:
        raise InputError(f"{path}, line {line}: {empty[0]} is empty. Fill it.")
    return line, values
