"""The cells of csv and tsv files, as spreadsheets and people write them."""

import csv
import io
import re
from pathlib import Path

from ..errors import InputError

ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")  # the first that fits
WIDE = (b"\xff\xfe", b"\xfe\xff")  # how UTF-16 begins, as of spreadsheets
DELIMITERS = ",;\t"
NOTHING = ("nan", "NaN", "<NA>")  # what programs write where there is nothing


def read_text(path):
    """The text of a file: UTF-8, with a byte order mark or not, UTF-16, or one
    byte a letter, as Windows (CP-1252) and Latin-1 have it.

    Arguments
    ---------
    path : str
        The file.

    Returns
    -------
    str
        Its line ends as they are.
    """
    content = Path(path).read_bytes()
    encodings = ("utf-16",) if content.startswith(WIDE) else ENCODINGS
    text = "\0"
    for encoding in encodings:
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if "\0" in text:
        raise InputError(
            f"{path} is no table of text: save it as a csv, tsv, json or jsonl"
        )
    return text


def read_cells(path):
    """The cells of a csv or tsv file, with or without column names.

    Arguments
    ---------
    path : str
        The file.

    Returns
    -------
    list of tuple
        (line number, list of str), without blank lines; what is nan is empty.
    """
    text = read_text(path)
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True
    )
    try:
        rows = [(reader.line_num, [_cell(c) for c in row]) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path} is no csv file: {error}")
    return [(line, row) for line, row in rows if any(row)]


def find_columns(header, columns, synonyms=None):
    """Which column is which.

    Arguments
    ---------
    header : list of str
        The names in a file, of any case, with any blanks and signs in them.
    columns : list of str
        The names that are wanted.
    synonyms : dict, optional
        Name -> what else the column may be called, the likeliest first.

    Returns
    -------
    dict
        Name -> its number, of those that are there.

    Example
    -------
    >>> header = ["File_Name", "Class", "Begin Time (s)"]
    >>> find_columns(header, ["path", "start"], {"path": ["file", "filename"]})
    {'path': 0}
    """
    plain = [_plain(name) for name in header]
    found = {}
    for column in columns:
        for name in (column, *(synonyms or {}).get(column, ())):
            if _plain(name) in plain:
                found[column] = plain.index(_plain(name))
                break
    return found


def _cell(text):
    text = text.strip()
    return "" if text in NOTHING else text


def _plain(name):
    return re.sub(r"\W|_", "", name).lower()
