"""Segments as files: csv, Audacity's labels, Raven's selection tables."""

import csv
import os
from collections import Counter
from pathlib import Path

from ..errors import InputError
from .rows import TEXT

# format -> how the names of its files end; the first that fits is taken
ENDINGS = {
    "raven": ".selections.txt",
    "audacity": ".txt",
    "csv": ".csv",
}
CSV_COLUMNS = ["id", "start", "end", "label", "score"]
RAVEN_COLUMNS = [
    *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"),
    *("Low Freq (Hz)", "High Freq (Hz)", "Begin Path", "File Offset (s)"),
    *("Label", "Score"),
]
HIGHEST = 8000  # Hz, that the encoders hear


def format_of(path, chosen=None, option="--segments="):
    """The format of a file of segments.

    Arguments
    ---------
    path : str
        The file.
    chosen : str, optional
        One of ENDINGS; without it, by the ending of the file.
    option : str
        On the command line, for the error message.

    Returns
    -------
    str
        One of ENDINGS.

    Example
    -------
    >>> format_of("a.selections.txt"), format_of("a.txt"), format_of("a.csv")
    ('raven', 'audacity', 'csv')
    """
    for name, ending in ENDINGS.items():
        if chosen == name or not chosen and str(path).endswith(ending):
            return name
    raise InputError(
        f"{option}{path}: give a name that ends in "
        f"{', '.join(ENDINGS.values())}, or --format"
    )


def is_folder(path):
    """Whether each sound is to get a file of its own.

    Arguments
    ---------
    path : str
        As it was given.

    Returns
    -------
    bool
        Also for a folder that is yet to be made.

    Example
    -------
    >>> is_folder("labels/"), is_folder("labels.txt")
    (True, False)
    """
    return os.path.isdir(path) or str(path).endswith(os.sep)


class _LabelFile:
    """One file of labels, whole or not there."""

    def __init__(self, path, form):
        self.path, self.form = path, form
        self.number, self.begin = 0, 0.0  # of selections; of a file, seconds
        self.file = open(f"{path}.part", "w", **TEXT)
        self.lines = csv.writer(self.file, delimiter="\t", lineterminator="\n")
        if form == "raven":
            self.lines.writerow(RAVEN_COLUMNS)

    def write(self, answer, segments):
        """Add the segments of a sound; in Raven sounds follow each other."""
        for segment in segments:
            start, end = segment.start, segment.end
            label = " ".join(segment.label.split())  # no tab
            self.number += 1
            row = [f"{start:.6f}", f"{end:.6f}", label]
            if self.form == "raven":
                row = [self.number, "Spectrogram 1", 1]
                row += [f"{self.begin + at:.6f}" for at in (start, end)]
                row += [0, HIGHEST, os.path.abspath(answer.file)]
                row += [f"{start:.6f}", label, f"{segment.score:.4f}"]
            self.lines.writerow(row)
        self.begin += answer.duration

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.file.close()
        if kind is None:
            os.replace(f"{self.path}.part", self.path)
        else:
            os.remove(f"{self.path}.part")


class LabelFiles:
    """Labels for Audacity or selection tables for Raven.

    Arguments
    ---------
    path : str
        A file; or a folder, or a name that ends as one, in which each sound
        gets a file of its own.
    form : str
        "audacity" or "raven".
    files : list of str
        The sounds.

    Example
    -------
    >>> from speechbrain_petl.inference.answers import Answer
    >>> from speechbrain_petl.inference.segments import Segment
    >>> path = getfixture("tmp_path") / "labels.txt"
    >>> with LabelFiles(path, "audacity", ["a.wav"]) as labels:
    ...     labels.write(Answer("a.wav"), [Segment(0.0, 1.5, "dog", 0.9)])
    >>> path.read_text().split("\\t")
    ['0.000000', '1.500000', 'dog\\n']
    """

    def __init__(self, path, form, files):
        self.path, self.form, self.whole = Path(path), form, None
        if is_folder(path):
            self.path.mkdir(exist_ok=True)
            names = Counter(Path(file).name for file in files)
            name, count = names.most_common(1)[0]
            if count > 1:
                raise InputError(
                    f"{path}: {count} sounds are called {name}, and their "
                    "labels would be. Take one folder of sounds at a time."
                )
        elif form == "audacity" and len(files) > 1:
            raise InputError(
                f"{path}: Audacity's labels are of one sound, these are "
                f"{len(files)}. Name a folder, or make a csv."
            )
        else:
            self.whole = _LabelFile(path, form)

    def write(self, answer, segments):
        """Add the segments of a sound.

        Arguments
        ---------
        answer : speechbrain_petl.inference.answers.Answer
            Its file and duration.
        segments : list of speechbrain_petl.inference.segments.Segment
            What is heard in it.
        """
        if self.whole:
            return self.whole.write(answer, segments)
        name = Path(answer.file).name + ENDINGS[self.form]
        with _LabelFile(self.path / name, self.form) as file:
            file.write(answer, segments)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.whole:
            self.whole.__exit__(*error)
