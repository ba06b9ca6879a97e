"""Search hyper-parameters of a method file with Optuna, on validation only.

``sbpetl search recipes/ESC50/hparams/lora.yaml --trials 20 --study
sqlite:///lora.db --range lr=1e-4:1e-2:log --range batch_size=8,16
--data_folder=...``. The same command in other terminals, or on other machines,
shares the study; started again, it goes on.
"""

from ...errors import ArgumentParser
from ..sweep.ending import stopped_once


def _parse(argv):
    """The search's own options, and those of train.py.

    >>> argv = "hparams/lora.yaml --trials 3 --study sqlite:///a.db --range"
    >>> options, others = _parse([*argv.split(), "lr=1e-4:1e-2", "--seed=2"])
    >>> options.trials, options.range, others
    (3, ['lr=1e-4:1e-2'], ['--seed=2'])
    """
    parser = ArgumentParser(
        prog="sbpetl search",
        description="Search hyper-parameters on the validation set. All other "
        "options are train.py's, and paths in them relative to the recipe's "
        "folder.",
    )
    add = parser.add_argument
    add("method", help="a method file of a recipe")
    add("--study", required=True, help="a data base, as sqlite:///lora.db")
    add("--name", help="of the study in it, by default the method's")
    add("--trials", type=int, required=True, help="of all processes together")
    add(
        "--range",
        action="append",
        required=True,
        metavar="KEY=VALUES",
        help="such as lr=1e-4:1e-2:log or batch_size=8,16,32; one or more",
    )
    add("--script", default="train.py", help="if not train.py")
    options, others = parser.parse_known_args(argv)
    if options.trials < 1:
        parser.error("--trials: give 1 or more")
    return options, others


@stopped_once()
def main(argv):
    """The command line: a method file, and options; see ``--help``."""
    options, others = _parse(argv)
    from .whole import search  # imports torch

    search(options, others)
