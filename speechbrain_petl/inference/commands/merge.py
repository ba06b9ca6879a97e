"""The mean of several runs as one adapter: a model soup.

``sbpetl merge RUN RUN ... --output FOLDER`` averages what runs of one method
have learned, the classifier included (https://arxiv.org/abs/2203.05482);
``sbpetl classify FOLDER`` and ``AdapterSet`` take the folder.
"""

import argparse

from ...errors import ArgumentParser
from ..options import TRUST


def main(argv):
    """The command line: runs, and options; see ``--help``."""
    parser = ArgumentParser(prog="sbpetl merge", description=__doc__)
    add = parser.add_argument
    add("runs", nargs="+", help="finished runs, or adapter folders")
    add("--output", required=True, metavar="FOLDER", help="to write")
    add("--weights", type=_numbers, help="of the runs, such as 2,1,1")
    add("--base", help="the pretrained weights, if moved")
    add("--trust", action="store_true", help=TRUST)
    args = parser.parse_args(argv)
    from ..merge import merge  # imports torch

    folder = merge(args.runs, args.output, args.weights, args.base, args.trust)
    for path in sorted(folder.iterdir()):
        print(f"{path}  {path.stat().st_size:,} bytes")


def _numbers(text):
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: give numbers, as in 2,1,1")
