"""Runs method files one after the other in the same processes of torchrun.

> torchrun tests/in_turn.py LINES.json

The json holds command lines of train.py, each a list that begins with a file
of a recipe's hparams.
"""

import json
import sys
from pathlib import Path

from running import load_train


def main(path):
    """Run all."""
    for line in json.loads(Path(path).read_text()):
        file = Path(line[0])
        folders = [f.parent for f in file.parents if f.name == "hparams"]
        print(f"runs {file}", flush=True)
        load_train(folders[0]).main(line)


if __name__ == "__main__":
    main(sys.argv[1])
