"""A page to see and hear what a run got wrong: sbpetl errors RUN.

One html file, which needs no network: the confusion matrix with the clips of
each cell, the clips it was surest of and wrong about with a player, figures of
each class, and how far its probabilities can be trusted.
"""

from pathlib import Path

from ...data.writing import check_file
from ...errors import ArgumentParser, printable
from ..options import TRUST

PAGE = "errors.html"


def main(argv):
    """The command line: RUN and options."""
    parser = ArgumentParser(prog="sbpetl errors", description=__doc__)
    add = parser.add_argument
    add("run", help="a finished run: its output_folder")
    add("--output", help=f"the page to write, by default RUN/{PAGE}")
    add("--clips", type=int, default=50, help="misclassified ones to hear")
    add("--base", help="the pretrained weights, if moved")
    add("--trust", action="store_true", help=TRUST)
    args = parser.parse_args(argv)
    if args.clips < 0:
        parser.error("--clips: give 0 or more")
    path = args.output or Path(args.run).expanduser() / PAGE
    if args.output:
        check_file(path, "--output=")
    from ..error_page import write_errors  # imports torch
    from ..tested import read_tested

    tested = read_tested(args.run, args.base, args.trust)
    said = write_errors(tested, path, args.clips)
    print(f"{path}: {said['wrong']} of {said['clips']} clips are wrong")
    for note in said["silent"]:
        print(printable(f"not heard: {note}"))
