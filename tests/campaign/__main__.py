"""Bad days, repeated by anyone.

> python -m tests.campaign [kills|damage|inputs|hostile ...] [--rounds N] [--quick]

Each part ends with a table. What was tried is in campaign_<part>.jsonl: a
campaign that was stopped goes on from there by the same command, and what did
not end as it should is tried again. Delete the file to begin anew.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

FEW_FILES = ("adapter.safetensors", "labels.txt", "brain.ckpt", "result.json")


def parts(quick=False, rounds=100):
    """Name -> function of a folder and a journal."""
    from . import damage, hostile, inputs, kills

    if not quick:
        return {
            "kills": lambda *to: kills.campaign(*to, rounds),
            "damage": damage.campaign,
            "inputs": inputs.campaign,
            "hostile": hostile.campaign,
        }
    few = {"ways": ("cut", "flipped"), "only": lambda n: n.endswith(FEW_FILES)}
    return {
        "kills": lambda *to: kills.campaign(*to, rounds),
        "damage": lambda *to: damage.campaign(*to, **few),
        "inputs": lambda *to: inputs.campaign(*to, every=20),
        "hostile": hostile.campaign,
    }


def main(argv=None):
    """The command line; exit code 1 if anything ended as it should not."""
    from .cases import Journal, table
    from .forked import import_all

    parser = argparse.ArgumentParser("python -m tests.campaign")
    names = ["kills", "damage", "inputs", "hostile"]
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=100, help="of kills")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--journal", default=".", help="folder of the journals")
    args = parser.parse_args(argv)
    wrong = set(args.parts) - set(names)
    if wrong:
        parser.error(f"no such part: {', '.join(sorted(wrong))}")
    import_all()
    right = True
    for name in args.parts or names:
        started = time.monotonic()
        journal = Journal(Path(args.journal) / f"campaign_{name}.jsonl")
        with tempfile.TemporaryDirectory() as folder:
            parts(args.quick, args.rounds)[name](folder, journal)
        print(f"\n{name}, {time.monotonic() - started:.0f} s")
        print(table(journal.cases), flush=True)
        right = right and all(case.right for case in journal.cases)
    return not right


if __name__ == "__main__":
    sys.exit(main())
