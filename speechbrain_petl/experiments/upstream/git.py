"""Branches of a SpeechBrain checkout, made without touching its working tree."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ...errors import InputError

MADE_BY = "Made-by: sbpetl upstream"  # of our commits, which may be replaced
NEEDED = ("speechbrain/nnet/adapters.py", "tests/utils/recipe_tests.py")
NAME = {
    "user.name": "speechbrain_petl",
    "user.email": "speechbrain_petl@localhost",
}


class Checkout:
    """A clone of speechbrain/speechbrain.

    Arguments
    ---------
    folder : str or os.PathLike
        Where it is.
    base : str, optional
        The branch to start from; "develop" if there is one, or what is
        checked out.
    """

    def __init__(self, folder, base=None):
        self.folder = Path(folder).expanduser()
        missing = [n for n in NEEDED if not (self.folder / n).is_file()]
        if missing or not (self.folder / ".git").exists():
            raise InputError(
                f"{folder} is no clone of speechbrain/speechbrain: it has no "
                f"{(missing or ['.git'])[0]}"
            )
        if base is None:
            base = "develop" if self._commit("develop") else "HEAD"
        self.base = self._commit(base)
        if self.base is None:
            raise InputError(f"{folder} has no branch {base}")

    def git(self, *argv, folder=None, stdin=None):
        """What a git command prints.

        Arguments
        ---------
        *argv : tuple of str
            The command.
        folder : str or os.PathLike, optional
            Where to run it, if not in the checkout.
        stdin : str, optional
            What it reads.

        Returns
        -------
        str
            Without white space at its ends.
        """
        options = [x for k, v in NAME.items() for x in self._default(k, v)]
        done = subprocess.run(
            ["git", "-C", str(folder or self.folder), *options, *argv],
            input=stdin,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise InputError(
                f"git {argv[0]} in {self.folder}: {done.stderr.strip()}"
            )
        return done.stdout.strip()

    def _default(self, key, value):
        known = subprocess.run(
            ["git", "-C", str(self.folder), "config", key], capture_output=True
        )
        return [] if known.stdout.strip() else ["-c", f"{key}={value}"]

    def _commit(self, name):
        """The id of the commit that a branch is at, or None."""
        found = subprocess.run(
            [
                "git",
                "-C",
                str(self.folder),
                "rev-parse",
                "-q",
                "--verify",
                f"{name}^{{commit}}",
            ],
            capture_output=True,
            text=True,
        )
        return found.stdout.strip() or None

    @contextmanager
    def tree(self):
        """A working tree apart, at the base; gone afterwards.

        Yields
        ------
        pathlib.Path
            Its folder.
        """
        place = Path(tempfile.mkdtemp(prefix="speechbrain-"))
        tree = place / "speechbrain"
        try:
            self.git("worktree", "add", "-q", "--detach", str(tree), self.base)
            yield tree
        finally:
            shutil.rmtree(place, ignore_errors=True)
            self.git("worktree", "prune")

    def commit(self, tree, branch, parent, message):
        """Make a branch of what a tree holds, if it is not that already.

        Arguments
        ---------
        tree : pathlib.Path
            As ``tree`` yields it.
        branch : str
            Its name.
        parent : str
            The commit that it stands on.
        message : str
            Of the commit.

        Returns
        -------
        commit : str
            Its id; the parent's where all of it has been merged.
        new : bool
            Whether anything has changed.
        """
        self.git("add", "-A", folder=tree)
        files = self.git("write-tree", folder=tree)
        if files == self.git("rev-parse", f"{parent}^{{tree}}"):
            return parent, False
        ref = f"refs/heads/{branch}"
        old = self._commit(ref)
        if old:
            said = self.git("log", "-1", "--format=%T %P%n%B", old)
            if said.splitlines()[0] == f"{files} {parent}":
                self.git("reset", "-q", "--soft", old, folder=tree)
                return old, False
            self._refuse_to_replace(branch, said)
        text = f"{message}\n\n{MADE_BY}\n"
        new = self.git("commit-tree", files, "-p", parent, stdin=text)
        self.git("update-ref", ref, new)
        self.git("reset", "-q", "--soft", new, folder=tree)
        return new, True

    def _refuse_to_replace(self, branch, said):
        if MADE_BY not in said:
            raise InputError(
                f"{self.folder}: {branch} has commits that this command has "
                "not made: rename the branch, or delete it"
            )
        if (
            f"branch refs/heads/{branch}\n"
            in self.git("worktree", "list", "--porcelain") + "\n"
        ):
            raise InputError(
                f"{self.folder}: {branch} is checked out and has to change: "
                "check out another branch"
            )

    def replace(self, tree, old, new):
        """Put one text for another into all that is new in a tree.

        Arguments
        ---------
        tree : pathlib.Path
            As ``tree`` yields it.
        old, new : str
            What is there, and what stands there then.
        """
        self.git("add", "-A", folder=tree)
        names = self.git("diff", "--cached", "--name-only", folder=tree)
        for path in (tree / name for name in names.splitlines()):
            if not path.is_symlink():
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace(old, new), encoding="utf-8")

    def changed(self, commit, parent):
        """What a commit changes.

        Arguments
        ---------
        commit : str
            Its id.
        parent : str
            The one before.

        Returns
        -------
        dict
            Path -> added and removed lines, of files that are there.
        """
        text = self.git("diff", "--numstat", "--diff-filter=d", parent, commit)
        rows = (line.split("\t") for line in text.splitlines())
        return {
            path: sum(int(n) for n in (more, less) if n != "-")
            for more, less, path in rows
        }


def write(tree, files, links):
    """Write files and symbolic links into a tree.

    Arguments
    ---------
    tree : pathlib.Path
        The tree.
    files : dict
        Path -> text.
    links : dict
        Path -> what it links to.
    """
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)
    for name, target in links.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.symlink(target, path)
