"""What SpeechBrain's own CI runs, run on a branch in its tree."""

import ast
import re
import shutil
import sys
from itertools import chain
from pathlib import Path

from .hooks import pinned, pre_commit
from .tree import Check

LINES = 12  # that are shown of what is wrong
OWN = {"speechbrain"}
# a program of theirs that runs recipes calls a bare `python`
SHIM = '#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{tree}" exec "{python}" "$@"\n'
ROWS = """
import logging, sys
logging.basicConfig(level=logging.INFO)
from tests.utils import recipe_tests
rows = {{"filters_fields": ["Hparam_file"], "filters": [{files!r}]}}
{call}
"""
LOAD = "recipe_tests.load_yaml_test(**rows)"
RUN = (
    "sys.exit(not recipe_tests.run_recipe_tests("
    'run_opts="--device=cpu", output_folder={out!r}, do_checks=True, **rows))'
)


def pytest(tree, name, *arguments):
    """Their tests, counted.

    Arguments
    ---------
    tree : Tree
        Where.
    name : str
        Of the check.
    *arguments : tuple of str
        Of pytest.

    Returns
    -------
    Check
        Tests passed and failed.
    """
    code, lines = tree.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments
    )
    said = " ".join(lines[-1:])
    counts = {
        w: int(n) for n, w in re.findall(r"(\d+) (passed|failed|error)", said)
    }
    failed = counts.get("failed", 0) + counts.get("error", 0)
    failed = max(failed, 1) if code else failed
    # what their own checks print of what they find, before pytest's summary
    wrong = [line for line in lines if "ERROR:" in line][:LINES]
    wrong = [*wrong, *lines[-LINES:]] if failed else []
    return Check(name, counts.get("passed", 0), failed, wrong)


def recipe_runs(tree):
    """load_yaml_test and run_recipe_tests on the new rows."""
    files = [n for n in tree.files(".yaml") if n.startswith("recipes/")]
    shim = tree.place / "python"
    shim.write_text(SHIM.format(tree=tree.folder, python=sys.executable))
    shim.chmod(0o755)
    out = str(tree.place / "results") + "/"
    checks = []
    for name, call in (("load_yaml_test", LOAD), ("run_recipe_tests", RUN)):
        code = ROWS.format(files=files, call=call.format(out=out))
        _, lines = tree.run("-c", code)
        bad = [x for x in lines if "cannot load" in x or "ERROR" in x.upper()]
        seen = len(
            {x for x in lines for f in files if f in x and "Checking" in x}
        )
        if name == "run_recipe_tests":
            seen = (
                len(list(Path(out).rglob(".passed")))
                if Path(out).is_dir()
                else 0
            )
        failed = len(files) - seen if seen < len(files) else len(bad)
        if failed:
            bad = [*bad, *_tails(Path(out)), *lines[-LINES:]]
        checks.append(
            Check(name, len(files) - failed, failed, bad if failed else [])
        )
    return checks


def _tails(folder):
    """The last line of each recipe that has failed; its errors are in the log."""
    for path in sorted(folder.rglob("log.txt")):
        lines = path.read_text(errors="replace").splitlines()
        if not (path.parent / ".passed").exists():
            yield from lines[-1:]


def links(tree):
    """Relative links and images of new README files."""
    found, wrong = 0, []
    for name in tree.files(".md"):
        text = (tree.folder / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            found += 1
            local = not re.match(r"https?:|#|mailto:", target)
            if local and not ((tree.folder / name).parent / target).exists():
                wrong.append(f"{name}: {target} is not there")
    return Check("README links", found - len(wrong), len(wrong), wrong)


def imports(tree):
    """Nothing is imported but SpeechBrain, what it needs, and what is named."""
    text = (tree.folder / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"\ndependencies = \[(.*?)\n\]", text, flags=re.S)[1]
    known = OWN | set(sys.stdlib_module_names) | set(_names(block))
    wrong = []
    python = [n for n in tree.files(".py") if not n.startswith("tests/")]
    for name in python:
        folder = (tree.folder / name).parent
        beside = {path.stem for path in folder.glob("*.py")}
        more = folder / "extra_requirements.txt"
        asked = set(_names(more.read_text())) if more.is_file() else set()
        for module in _imported(tree.folder / name) - known - beside - asked:
            wrong.append(f"{name}: imports {module}")
    return Check("imports", len(python) - len(wrong), len(wrong), wrong)


def _names(text):
    found = re.findall(r"^\s*\"?([A-Za-z][\w.-]*)", text, flags=re.M)
    return [name.lower().replace("-", "_") for name in found]


def _imported(path):
    """What a file imports, in its doctests too."""
    text = path.read_text(encoding="utf-8")
    examples = re.findall(r"^ *>>> ((?:from|import) .*)$", text, flags=re.M)
    nodes = map(ast.parse, (text, *examples))
    modules = set()
    for node in chain.from_iterable(map(ast.walk, nodes)):
        if isinstance(node, ast.Import):
            modules |= {a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules


def sizes(tree):
    """A pull request that can be reviewed."""
    limits, wrong = tree.branch.limits, []
    for ending, most in limits.items():
        lines = sum(
            n for name, n in tree.changed.items() if name.endswith(ending)
        )
        if lines > most:
            wrong.append(f"{ending or 'all'}: {lines} lines, more than {most}")
    return Check("size", len(limits) - len(wrong), len(wrong), wrong)


def run_all(tree):
    """Every check of a branch, one after the other.

    Arguments
    ---------
    tree : Tree
        Where.

    Yields
    ------
    Check
        Each when it is done.
    """
    branch = tree.branch
    yield sizes(tree)
    yield pinned(tree)
    yield from pre_commit(tree)
    yield pytest(tree, "tests/consistency", "tests/consistency")
    if branch.tests:
        yield pytest(tree, "unit tests", *branch.tests)
        yield pytest(tree, "doctests", "--doctest-modules", *branch.documented)
    yield imports(tree)
    if branch.recipe:
        yield links(tree)
        yield from recipe_runs(tree)
    shutil.rmtree(tree.place / "results", ignore_errors=True)
