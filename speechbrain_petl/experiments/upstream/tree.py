"""A working tree of SpeechBrain's with one of the branches, and what a check found."""

import os
import subprocess
import sys
from dataclasses import dataclass, field


@dataclass
class Check:
    """The outcome of a check.

    Arguments
    ---------
    name : str
        What was checked.
    passed, failed : int
        Of how many things.
    lines : list of str
        What is wrong.
    """

    name: str
    passed: int
    failed: int
    lines: list = field(default_factory=list)


class Tree:
    """A working tree that has a branch, and what is new in it.

    Arguments
    ---------
    folder : pathlib.Path
        The tree.
    branch : speechbrain_petl.experiments.upstream.branches.Branch
        What it has.
    changed : dict
        Path -> changed lines.
    """

    def __init__(self, folder, branch, changed):
        self.folder, self.branch, self.changed = folder, branch, changed
        self.place = folder.parent

    def files(self, *endings):
        """Those that are new or changed, links apart."""
        found = (n for n in self.changed if n.endswith(endings or ("",)))
        return sorted(n for n in found if not (self.folder / n).is_symlink())

    def run(self, *command):
        """Return code and lines of a command in the tree."""
        path = f"{self.place}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(self.folder), "PATH": path},
        )
        lines = (done.stdout + done.stderr).splitlines()
        return done.returncode, [line for line in lines if line.strip()]
