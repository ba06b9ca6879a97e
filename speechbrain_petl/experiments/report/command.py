"""``sbpetl report recipes/ESC50``: tables and pictures.

Reads the results below the recipe's folder, prints a table for each task,
draws the pictures, and writes both into the recipe's README between its
markers.
"""

from ...errors import ArgumentParser


def main(argv):
    """The command line: a recipe's folder, and options."""
    options = _parse(argv)
    from .whole import report  # imports torch

    report(options)


def _parse(argv):
    parser = ArgumentParser(prog="sbpetl report", description=__doc__)
    parser.add_argument("recipe", help="its folder, such as recipes/ESC50")
    parser.add_argument(
        "--results", help="the runs' folder, if not results in the recipe's"
    )
    parser.add_argument(
        "--pictures", help="where to draw, if not in report in the recipe's"
    )
    parser.add_argument(
        "--embeddings", help="folder of a run: draw a t-SNE of its test clips"
    )
    return parser.parse_args(argv)
