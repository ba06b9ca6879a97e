"""``sbpetl export METHOD.yaml``: one self-contained yaml of a method."""

from ..errors import ArgumentParser
from .method_files import export


def main(argv):
    """Print a method file in full, as a recipe that goes upstream must be.

    Arguments
    ---------
    argv : list of str
        A method file.
    """
    parser = ArgumentParser(prog="sbpetl export", description=__doc__)
    parser.add_argument("method", help="a file of a recipe's hparams")
    print(export(parser.parse_args(argv).method), end="")
