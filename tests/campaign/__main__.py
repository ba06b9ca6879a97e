"""Bad days, repeated by anyone.

> python -m tests.campaign [kills|damage|inputs|hostile ...] [--rounds N] [--quick]

Each part ends with a table, and with a json of what did not end as it should
in the folder of --json.
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


def parts(quick, rounds):
    """Name -> function of a folder that returns cases."""
    from . import damage, hostile, inputs, kills

    few = ("adapter.safetensors", "labels.txt", "brain.ckpt", "result.json")
    return {
        "kills": lambda f: kills.campaign(f, 3 if quick else rounds),
        "damage": lambda f: damage.campaign(
            f,
            *((("cut", "flipped"), lambda n: n.endswith(few)) if quick else ()),
        ),
        "inputs": lambda f: inputs.campaign(f, every=20 if quick else 1),
        "hostile": hostile.campaign,
    }


def main(argv=None):
    """The command line; exit code 1 if anything ended as it should not."""
    from .cases import table, write_failures

    parser = argparse.ArgumentParser("python -m tests.campaign")
    names = ["kills", "damage", "inputs", "hostile"]
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=100, help="of kills")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", default=".", help="folder for the failures")
    args = parser.parse_args(argv)
    wrong = set(args.parts) - set(names)
    if wrong:
        parser.error(f"no such part: {', '.join(sorted(wrong))}")
    failed = 0
    for name in args.parts or names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            cases = parts(args.quick, args.rounds)[name](folder)
        path = Path(args.json) / f"campaign_{name}.json"
        failed += write_failures(cases, path)
        print(f"\n{name}, {time.monotonic() - started:.0f} s; failures: {path}")
        print(table(cases), flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
