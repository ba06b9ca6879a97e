"""What ``sbpetl classify`` writes, beside what it prints."""

from pathlib import Path

from ..data.writing import check_file
from ..errors import InputError
from .rows import CsvRows
from .segment_files import CSV_COLUMNS, LabelFiles, format_of
from .segments import find_segments
from .vectors import Vectors

NAMED = 10  # files that cannot be read, by the message at the end


def check_outputs(args):
    """Refuse files that cannot be written, and options that clash.

    Arguments
    ---------
    args : argparse.Namespace
        As ``classify`` parses them.
    """
    form = args.segments
    if form is not None:
        form = format_of(args.segments, args.format)
    tables = {"csv": args.csv, "segments": args.segments}
    if form != "csv":
        tables.pop("segments")
    names = ("errors", "embeddings", "explain")
    others = {name: getattr(args, name) for name in names}
    if form not in ("csv", None) and not Path(args.segments).is_dir():
        others["segments"] = args.segments
    for name, path in {**tables, **others}.items():
        if path is not None:
            check_file(path, f"--{name}=")
    for name, path in tables.items():
        if path and Path(path).exists() and not args.resume:
            raise InputError(
                f"--{name}={path} is there already: --resume goes on with it, "
                "or name another file"
            )
    if not args.resume:
        return
    for name in ("embeddings", "segments"):
        if name not in tables and getattr(args, name):
            raise InputError(
                f"--resume goes on with a csv; --{name}={getattr(args, name)} "
                "is written whole, of all files, or not at all"
            )
    if not any(tables.values()):
        raise InputError("--resume goes on with a csv: name it by --csv")


def open_outputs(args, labels, files, stack):
    """Open what a job writes.

    Arguments
    ---------
    args : argparse.Namespace
        As ``classify`` parses them.
    labels : list of str
        Of the model.
    files : list of str
        The sounds.
    stack : contextlib.ExitStack
        Closes it all.

    Returns
    -------
    outputs : list of callable
        Each takes an ``Answer``.
    files : list of str
        Those that are left to do.
    """
    outputs, done = [], {}
    if args.csv:
        columns = ["id", "predicted", *(f"p({label})" for label in labels)]
        table = stack.enter_context(CsvRows(args.csv, columns))
        outputs.append(
            lambda answer: table.write([_row(answer, labels, args.reject)])
        )
        done = table.ids
    if args.segments:
        segments, heard = _open_segments(args, files, stack, done)
        done = done if args.csv else heard

        def _write_segments(answer):
            how = args.threshold, not args.no_join
            segments(answer, find_segments(answer, labels, *how))

        outputs.insert(0, _write_segments)  # the csv says what is finished
    if args.embeddings:
        vectors = Vectors(args.embeddings, bool(args.segments))
        outputs.append(stack.enter_context(vectors).write)
    return outputs, [file for file in files if file not in done]


def _row(answer, labels, reject):
    """As in a run's predictions.csv."""
    name = answer.name(labels, reject)
    values = answer.probabilities.tolist()
    return [answer.file, name, *(f"{p:.7g}" for p in values)]


def _open_segments(args, files, stack, done):
    """What takes an answer and its segments, and the files that it has."""
    form = format_of(args.segments, args.format)
    if form != "csv":
        writer = LabelFiles(args.segments, form, files)
        return stack.enter_context(writer).write, {}
    if not args.csv:  # its last file may not be all there
        with CsvRows(args.segments, CSV_COLUMNS) as table:
            done = dict.fromkeys([*table.ids][:-1])
    table = stack.enter_context(CsvRows(args.segments, CSV_COLUMNS, done))

    def _write(answer, segments):
        table.write(
            [
                [
                    answer.file,
                    f"{s.start:.6f}",
                    f"{s.end:.6f}",
                    s.label,
                    s.score,
                ]
                for s in segments
            ]
        )

    return _write, table.ids


class Failures:
    """The files that cannot be read: counted, and written as they come.

    Arguments
    ---------
    path : str, optional
        A csv, with a row for each.
    strict : bool
        Stop at the first.

    Example
    -------
    >>> from speechbrain_petl.inference.answers import Answer
    >>> with Failures() as failures:
    ...     failures.add(Answer("a.wav", error="a.wav is missing"))
    ...     failures.refuse(of=3)
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: 1 of 3 files could not be read: a.wav is missing
    """

    def __init__(self, path=None, strict=False):
        self.strict, self.path, self.count, self.named = strict, path, 0, []
        self.table = CsvRows(path, ["id", "error"], kept=()) if path else None

    def add(self, answer):
        """Count a file.

        Arguments
        ---------
        answer : speechbrain_petl.inference.answers.Answer
            With its error.
        """
        if self.table:
            self.table.write([[answer.file, answer.error]])
        if self.strict:
            raise InputError(answer.error)
        self.count += 1
        if len(self.named) < NAMED:
            self.named.append(answer.error.rstrip("."))

    def refuse(self, of):
        """Name the first of them, if there is any.

        Arguments
        ---------
        of : int
            How many files there were.
        """
        if not self.count:
            return
        others = self.count - len(self.named)
        more = f"; and {others} more" if others else ""
        where = f". {self.path} names all" if self.path else ""
        raise InputError(
            f"{self.count} of {of} files could not be read: "
            f"{'; '.join(self.named)}{more}{where}"
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.table:
            self.table.file.close()
