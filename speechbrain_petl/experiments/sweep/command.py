"""One command runs encoders x methods x folds x seeds (x shots) of a recipe.

``sbpetl sweep recipes/ESC50 --methods lora,conformer --folds all --seeds 3
--data_folder=...``, on this machine or on Slurm. The same command goes on where
the last one was stopped.
"""

import argparse

from ...errors import ArgumentParser, InputError
from .ending import stopped_once

OF_SLURM = ("nodes", "partition", "time", "cpus", "slurm")


def _parse(argv):
    """The sweep's own options, and those of train.py.

    >>> options, others = _parse(["recipes/ESC50", "--seeds=2", "--lr=0.1"])
    >>> options.seeds, others
    ('2', ['--lr=0.1'])
    """
    parser = ArgumentParser(
        prog="sbpetl sweep",
        description="Run encoders x methods x folds x seeds (x shots) of a "
        "recipe. "
        "Finished runs are skipped, killed ones go on. All other options are "
        "train.py's, and paths in them relative to the recipe's folder.",
    )
    add = parser.add_argument
    add("recipe", help="the folder of train.py and hparams")
    add("--methods", default="all", help="such as lora,conformer; or all")
    add("--encoders", help="such as ast,whisper_small,beats; or all")
    add("--folds", help="such as 1,3; or all")
    add("--seeds", help="how many, from 1 on; or such as 4,7")
    add("--shots", help="training clips a class, such as 1,5,null")
    add("--script", default="train.py", help="if not train.py")
    add("--retry", action="store_true", help="run again what has failed")
    add("--dry_run", action="store_true", help="only print the commands")
    add("--executor", choices=["local", "slurm"], default="local")
    add("--jobs", type=_positive, help="at a time: 1, or 100 on Slurm")
    add("--gpus", type=_natural, help="for each run; with 2 or more, torchrun")
    add("--nodes", type=_positive, default=1, help="for each run, on Slurm")
    add("--partition", help="of Slurm")
    add("--time", type=_positive, default=1440, help="minutes, on Slurm")
    add("--cpus", type=_positive, help="for each run, on Slurm")
    add(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another option of sbatch, such as account=me; may be repeated",
    )
    options, others = parser.parse_known_args(argv)
    for name in OF_SLURM if options.executor == "local" else ():
        if getattr(options, name) != parser.get_default(name):
            raise InputError(f"--{name} is Slurm's: add --executor=slurm")
    return options, others


def _positive(text, least=1):
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
    return number


def _natural(text):
    return _positive(text, least=0)


@stopped_once()
def main(argv):
    """The command line: a recipe's folder, and options; see ``--help``."""
    options, others = _parse(argv)
    from .whole import sweep  # imports torch

    sweep(options, others)
