#!/usr/bin/env python3
"""What a training step of each method costs, on the base size.

> python tests/benchmarks/methods.py [--blocks 2] [--batch 2] [--rounds 5]
> python tests/benchmarks/methods.py --methods lora vera pissa

As ratios to one plain forward of the frozen encoder (a full fine-tuning step is
about three): each method takes one step in turn, in one process, on the same
input; medians over the rounds.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from method_files import ROOT, petl_of  # noqa: E402
from speechbrain_petl import AST, AdaptedEncoder, count_parameters  # noqa: E402

from benchmarks.measure import in_turn  # noqa: E402

HPARAMS = ROOT / "recipes" / "ESC50" / "hparams"
FRAMES, DIM = 500, 768


def step(module, x):
    """Forward and backward."""
    module.zero_grad(set_to_none=True)
    module(x).square().mean().backward()


def methods(names, blocks, batch, rounds, device):
    """Print a row for each method file of ESC-50, or for some."""
    x = torch.randn(batch, FRAMES, 128, device=device)
    size = (DIM, blocks, DIM // 64)
    frozen = AST(size, frames=FRAMES).to(device).requires_grad_(False).eval()
    functions, trainable = {"frozen forward": lambda: frozen(x)}, {}
    for path in sorted(HPARAMS.glob("*.yaml")):
        if path.stem != "base" and (not names or path.stem in names):
            petl = petl_of(path.relative_to(ROOT))
            adapted = AdaptedEncoder(AST(size, frames=FRAMES), **petl)
            adapted = adapted.to(device).train()
            trainable[path.stem] = count_parameters(adapted)[0]
            functions[path.stem] = partial(step, adapted, x)
    times = in_turn(functions, rounds)
    base = times.pop("frozen forward")
    print(f"frozen forward: {base * 1000:.0f} ms = 1")
    for name, value in sorted(times.items(), key=lambda item: item[1]):
        print(f"{name:<20}{value / base:>7.2f}{trainable[name]:>12,}")


def main():
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--methods", nargs="*", help="all, if not given")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"torch {torch.__version__} on {device}, {options}")
    some = options.methods
    methods(some, options.blocks, options.batch, options.rounds, device)


if __name__ == "__main__":
    main()
