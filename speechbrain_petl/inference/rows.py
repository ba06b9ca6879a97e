"""Csv files whose rows are written as they come, and that a job goes on with."""

import csv
import io

from ..errors import InputError

TEXT = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


class CsvRows:
    """A csv to which whole lines are added, each at once.

    Arguments
    ---------
    path : str
        The file. What is in it is kept, but for a line that a kill has cut.
    columns : list of str
        Its first line.
    kept : set of str, optional
        Keep what the file has of these ids, the first cells of its lines, and
        drop what follows; all, without them.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.csv"
    >>> _ = path.write_text("id,label\\na.wav,dog\\nb.wav,c")
    >>> with CsvRows(path, ["id", "label"]) as rows:
    ...     rows.write([["b.wav", "cat"]])
    >>> list(rows.ids), path.read_text().splitlines()
    (['a.wav'], ['id,label', 'a.wav,dog', 'b.wav,cat'])
    """

    def __init__(self, path, columns, kept=None):
        self.path, self.columns, self.ids = path, columns, {}
        with open(path, "ab+") as file:
            end = self._read(file, kept)
        self.file = open(path, "a", **TEXT)
        if not end:
            self.write([columns])

    def _read(self, file, kept):
        """Leave in the file what is whole and wanted; where that ends."""
        end = 0
        file.seek(0)
        for number, (stop, row) in enumerate(_records(file)):
            self._check(row, number)
            if number and kept is not None and row[0] not in kept:
                break
            end = stop
            self.ids |= {row[0]: None} if number else {}
        file.truncate(end)
        return end

    def _check(self, row, number):
        if not number and row != self.columns:
            raise InputError(
                f"{self.path} holds other columns than this model and these "
                "options make: name another file"
            )
        if len(row) != len(self.columns):
            raise InputError(
                f"{self.path}: row {number} has {len(row)} cells, its first "
                f"line {len(self.columns)}: it is damaged. Name another file."
            )

    def write(self, rows):
        """Add rows, all of them or, if the process is killed, some.

        Arguments
        ---------
        rows : list of list
            Their cells.
        """
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.file.write(text.getvalue())
        self.file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def _records(file):
    """Where each whole record of a csv ends, and its cells."""
    record, end = b"", 0
    for line in file:
        record += line
        if record.endswith(b"\n") and not record.count(b'"') % 2:
            end += len(record)
            text = record.decode(TEXT["encoding"], TEXT["errors"])
            yield end, next(csv.reader([text]))
            record = b""
