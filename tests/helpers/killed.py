"""Runs ESC-50's recipe and kills this process on the way, as kill -9 does.

> python tests/killed.py step|save|cache NUMBER METHOD.yaml [OPTIONS]

``step``: before that training step; ``save``: in the midst of writing that
file of a checkpoint; ``cache``: before that batch of clips is cached.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from running import load_train
from speechbrain_petl import AST

torch_save = torch.save


def kill_at(number, function):
    """The function, but this process dies in its call of that number."""
    calls = []

    def counted(*args, **kwargs):
        calls.append(None)
        if len(calls) == number:
            if function is torch_save:
                Path(args[1]).write_bytes(b"PK")  # the start of a file
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return counted


def main(argv):
    """Run until killed."""
    train, (where, number) = load_train(), argv[:2]
    if where == "step":
        brain = train.ESC50Brain
        brain.fit_batch = kill_at(int(number), brain.fit_batch)
    elif where == "cache":
        AST.embed = kill_at(int(number), AST.embed)
    else:
        torch.save = kill_at(int(number), torch.save)
    train.main(argv[2:])


if __name__ == "__main__":
    main(sys.argv[1:])
