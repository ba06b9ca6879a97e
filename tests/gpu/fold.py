#!/usr/bin/env python3
"""One real fold: ESC-10 clips, AST-base from random weights, LoRA, bf16.

> python tests/gpu/fold.py [--quick] [--device=cpu] [--clips=FOLDER] --json=FILE
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

EPOCHS = 6
QUICK = (32, 2, 2)


def main():
    """Train, and say how fast."""
    from benchmarks.esc10 import run
    from benchmarks.subjects import BASE

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny AST")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--clips", help="ESC-50-master; or generated ones")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    epochs, size = (2, QUICK) if options.quick else (EPOCHS, BASE)
    gpu = options.device == "cuda"
    found = run(
        options,
        "lora",
        epochs,
        cache=None,
        size=size,
        precision="bf16" if gpu else "fp32",
        workers=None,
    )
    trained = len(found["files"])
    row = {
        "clips a second": trained / found["epoch"],
        "seconds an epoch": found["epoch"],
        "the loader's share": found["waiting"],
        "clips": found["clips"],
        "real clips": bool(options.clips),
    }
    print(row)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(row, file, indent=1)


if __name__ == "__main__":
    main()
