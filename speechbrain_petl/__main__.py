"""``sbpetl``: one command, and a sub-command for each thing that one does.

A sub-command is a module with a ``main``; only the one that is used is
imported, and what follows its name is its own.
"""

import importlib
import sys

from .errors import ArgumentParser
from .recipe.main import run_main

COMMANDS = {  # name -> its module, and what it does
    "new": (
        "recipe.new",
        "a recipe of one's own from the template, with a test that passes",
    ),
    "sweep": (
        "experiments.sweep.command",
        "run encoders x methods x folds x seeds of a recipe, here or on Slurm",
    ),
    "search": (
        "experiments.search.command",
        "search hyper-parameters of a method on the validation set (Optuna)",
    ),
    "report": (
        "experiments.report.command",
        "results of runs to the tables and pictures of a recipe's README",
    ),
    "ensemble": (
        "experiments.ensemble",
        "the mean or the vote of several runs' predictions, and its figure",
    ),
    "classify": (
        "inference.commands.classify",
        "name what is in sound files, by a finished run or an adapter",
    ),
    "errors": (
        "inference.commands.errors",
        "a page to see and hear what a finished run got wrong",
    ),
    "demo": (
        "inference.commands.demo",
        "a page to try models in: upload, microphone, what mattered (Gradio)",
    ),
    "share": (
        "inference.commands.share",
        "a finished run to an adapter folder, and to the Hugging Face hub",
    ),
    "merge": (
        "inference.commands.merge",
        "the mean of what several runs have learned, as one adapter",
    ),
    "deploy": (
        "inference.commands.deploy",
        "a classifier to one graph, .onnx or .pt2, without this package",
    ),
    "stats": (
        "experiments.stats",
        "mean and deviation of the log-mel values of a data set",
    ),
    "upstream": (
        "experiments.upstream.command",
        "branches of a SpeechBrain clone, one for each pull request",
    ),
    "export": (
        "recipe.method_files",
        "a method file and its base.yaml to one self-contained yaml",
    ),
}


def main():
    """The command line: bad input is one line and exit code 1."""
    name = parse(sys.argv[1:])

    def _main(argv):
        module = f"{__package__}.{COMMANDS[name][0]}"
        importlib.import_module(module).main(argv[1:])

    run_main(_main)


def parse(argv):
    """The sub-command of a command line; ``--help`` lists them all.

    Arguments
    ---------
    argv : list of str
        The command line.

    Returns
    -------
    str
        One of COMMANDS.

    Example
    -------
    >>> parse(["sweep", "recipes/ESC50", "--help"])
    'sweep'
    """
    parser = ArgumentParser(
        prog="sbpetl",
        description="Parameter-efficient transfer learning of audio "
        "transformers. A recipe itself is run by its train.py.",
        epilog="sbpetl COMMAND --help shows the options of one.",
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True
    )
    for name, (_, what) in COMMANDS.items():
        commands.add_parser(name, help=what, add_help=False)
    return parser.parse_args(argv[:1]).command


if __name__ == "__main__":
    main()
