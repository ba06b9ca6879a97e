"""What SpeechBrain's pre-commit runs, in the versions that it pins."""

import re

import yaml

from .tree import Check

WORDS = ".dict-speechbrain.txt"
LARGEST = 1024 * 1024  # bytes


def pinned(tree):
    """Tools of their .pre-commit-config.yaml, in the versions they ask for."""
    text = (tree.folder / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    wanted = {}
    for repository in yaml.safe_load(text)["repos"]:
        name = repository["repo"].rpartition("/")[2].removesuffix("-pre-commit")
        wanted[name] = repository["rev"].lstrip("v")
    problems = []
    tools = ("ruff", "yamllint", "codespell")
    for name in tools:
        _, said = tree.run("-m", *_module(name), "--version")
        found = said[-1].split()[-1] if said else "not installed"
        if found != wanted[name]:
            problems.append(
                f"{name} {found}: pip install {name}=={wanted[name]}"
            )
    return Check(
        "pinned tools", len(tools) - len(problems), len(problems), problems
    )


def _module(name):
    return {"codespell": ["codespell_lib"]}.get(name, [name])


def pre_commit(tree):
    """ruff, yamllint, codespell and the hooks of their pre-commit."""
    python, yamls = tree.files(".py"), tree.files(".yaml")
    spelled = [n for n in tree.files() if not n.endswith((".ipynb", ".csv"))]
    words = f"--ignore-words={WORDS}"
    commands = {
        "ruff check": (["ruff", "check", "--no-cache"], python),
        "ruff format": (["ruff", "format", "--no-cache", "--check"], python),
        "yamllint": (["yamllint", "--no-warnings", "-f", "parsable"], yamls),
        "codespell": (["codespell_lib", words], spelled),
    }
    checks = []
    for name, (command, files) in commands.items():
        code, lines = tree.run("-m", *command, *files) if files else (0, [])
        bad = {n for n in files if any(n in line for line in lines)}
        failed = max(len(bad), 1) if code else 0
        checks.append(
            Check(name, len(files) - failed, failed, lines if code else [])
        )
    return [*checks, white_space(tree)]


def white_space(tree):
    """trailing-whitespace, end-of-file-fixer, check-added-large-files, ..."""
    wrong = []
    for name in tree.files():
        raw = (tree.folder / name).read_bytes()
        if len(raw) > LARGEST:
            wrong.append(f"{name}: larger than {LARGEST} bytes")
        for number, line in enumerate(raw.split(b"\n"), 1):
            if line != line.rstrip():
                wrong.append(f"{name}:{number}: trailing white space")
        if name.endswith(".py") and not re.search(rb"[^\n]\n\Z", raw):
            wrong.append(f"{name}: its end is not one line break")
        if name.endswith("requirements.txt"):
            lines = raw.lower().splitlines()
            wrong += [f"{name}: not sorted"] * (lines != sorted(lines))
    bad = {line.partition(":")[0] for line in wrong}
    total = len(tree.files())
    return Check("pre-commit-hooks", total - len(bad), len(bad), wrong)
