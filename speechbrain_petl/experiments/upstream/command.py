"""``sbpetl upstream SPEECHBRAIN``: pull requests that SpeechBrain's own CI passes.

Makes a branch for each, on what it needs, in a clone of
speechbrain/speechbrain, runs there what its CI runs, and writes the texts.
"""

import os
from pathlib import Path

from ...errors import ArgumentParser, InputError, check_choice
from .branches import branches
from .checks import run_all
from .git import Checkout
from .modules import WE
from .pull_request import pull_request
from .tree import Tree

METHODS = "linear,lora,bottleneck,conformer"


def main(argv):
    """Make the branches, check them, print a table.

    Arguments
    ---------
    argv : list of str
        The command line.
    """
    args = _parse(argv)
    made = branches(args.root, args.methods.split(","))
    names = [branch.name for branch in made]
    only = args.only.split(",") if args.only else names
    for name in only:
        check_choice("--only", name, names)
    for branch in _needed(made, only):
        if branch.recipe:  # before any of them is made
            branch.recipe.files()
    checkout = Checkout(args.speechbrain, args.base)
    texts = Path(args.texts)
    failed, commits = [], {"": checkout.base}
    with checkout.tree() as folder:
        for branch in _needed(made, only):
            parent = commits[branch.after]
            checkout.git("checkout", "-q", "--detach", parent, folder=folder)
            branch.make(folder)
            checkout.replace(folder, WE, args.authors)
            commit, new = checkout.commit(
                folder, branch.branch, parent, branch.title
            )
            commits[branch.name] = commit
            if commit == parent:
                print(f"\n{branch.branch}: all of it is there already")
                continue
            changed = checkout.changed(commit, parent)
            lines = sum(changed.values())
            state = "new" if new else "as it was"
            print(f"\n{branch.branch}: {lines} lines, {state}, {commit[:9]}")
            if branch.name in only:
                bad = ["no check has run"]
                if not args.no_checks:
                    bad = _check(Tree(folder, branch, changed))
                    failed += [f"{branch.name}, {name}" for name in bad]
                _write_text(texts, branch, bad)
    if failed:
        raise InputError(f"checks have failed: {'; '.join(failed)}")


def _needed(made, only):
    """Those that are asked for, and what they stand on."""
    after = {branch.name: branch.after for branch in made}
    names = {""}
    for name in only:
        while name not in names:
            names.add(name)
            name = after[name]
    return [branch for branch in made if branch.name in names]


def _parse(argv):
    parser = ArgumentParser(prog="sbpetl upstream", description=__doc__)
    add = parser.add_argument
    add("speechbrain", help="a clone of speechbrain/speechbrain")
    add("--only", help="such as fix,adapters,ast,ESC50; default: all")
    add("--methods", default=METHODS, help=f"of the recipes; {METHODS}")
    add("--base", help="the branch to start from; default: develop")
    add("--root", default=".", help="the clone of this project; default: here")
    add("--authors", default=WE, help="of the files, as they name them")
    add("--texts", default="pull_requests", help="folder for the texts")
    add("--no_checks", action="store_true", help="make the branches only")
    return parser.parse_args(argv)


def _check(tree):
    """Run the checks of a branch; the names of those that fail."""
    failed = []
    for check in run_all(tree):
        word = "FAIL" if check.failed else "pass"
        counts = f"{check.passed:4} passed {check.failed:3} failed"
        print(f"  {word}  {check.name:<18} {counts}", flush=True)
        for line in check.lines if check.failed else ():
            print(f"        {line}")
        if check.failed:
            failed.append(f"failed: {check.name}")
    return failed


def _write_text(folder, branch, bad):
    """The text of the pull request, and what keeps it from being ready."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{branch.branch}.md"
    text, wanted = pull_request(branch)
    wanted = [*bad, *wanted]
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
    print(f"  {path}: {'not ready' if wanted else 'ready'}")
    for line in wanted:
        print(f"        {line}")
