#!/usr/bin/env python3
"""Fill tests/gpu/wheels with what a machine that has python3 and torch lacks.

> python tests/gpu/wheels.py [torchaudio==2.8.0 ...] [--python=3.12]

The versions that are installed here, for the machine's version of Python. Those
that are made for one version of torch are named, if the machine lacks them.
"""

import argparse
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# of the project, and what tests/gpu and tests/benchmarks import
ROOTS = (
    "speechbrain_petl[onnx,peft]",
    "matplotlib",
    "packaging",
    "pytest",
    "scikit-learn",
    "transformers",
)
THERE = "torch"  # with all that it needs
BOUND = ("torchaudio", "torchvision")  # to one version of it
PLATFORMS = ["manylinux2014_x86_64"]  # which older pips know it by
PLATFORMS += [f"manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 27, 28)]


def needed(requirement, found):
    """Add a requirement and what it needs: name -> version."""
    wanted = Requirement(requirement)
    name = canonicalize_name(wanted.name)
    key = name, frozenset(wanted.extras)
    if key in found:
        return found
    try:
        found[key] = version(name)
    except PackageNotFoundError:  # as for another system
        return found
    for text in requires(name) or ():
        marker = Requirement(text).marker
        extras = wanted.extras or {""}
        if not marker or any(marker.evaluate({"extra": e}) for e in extras):
            needed(text, found)
    return found


def names_of(roots):
    """Name -> version of some requirements and of all that they need."""
    found = {}
    for root in roots:
        needed(root, found)
    return {name: number for (name, _), number in found.items()}


def missing():
    """Those to carry along: neither torch's own nor this project."""
    own = canonicalize_name("speechbrain_petl")
    there = {*names_of([THERE]), *BOUND, own}
    return {k: v for k, v in names_of(ROOTS).items() if k not in there}


def fetch(packages, python, folder):
    """Their wheels, as pip finds them."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps"]
    command += ["--only-binary=:all:", f"--python-version={python}"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    subprocess.run([*command, f"--dest={folder}", *packages], check=True)


def main():
    """Fetch each that is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = ".".join(map(str, sys.version_info[:2]))
    parser.add_argument("more", nargs="*", help="as pip takes them")
    parser.add_argument("--python", default=here, help="of the machine")
    parser.add_argument("--folder", default=Path(__file__).parent / "wheels")
    parser.add_argument("--list", action="store_true", help="fetch none")
    options = parser.parse_args()
    packages = [f"{name}=={number}" for name, number in missing().items()]
    packages += options.more
    if options.list:
        print(*sorted(packages), sep="\n")
    else:
        fetch(packages, options.python, options.folder)


if __name__ == "__main__":
    main()
