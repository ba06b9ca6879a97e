"""The branches, each a pull request of one thing, on what it needs."""

import json
import subprocess
import sys
from dataclasses import dataclass, field

from ...errors import InputError
from .datasets import DATASETS
from .git import write
from .later import LATER, Later
from .listed import COLUMNS, rows_text
from .modules import AST, PETL, ast_module, petl_module, read_text
from .recipe import Recipe

TUTORIAL = "docs/tutorials/nn/neural-network-adapters.ipynb"
BEFORE = "## Conclusion"  # the cell of the tutorial that ours comes before
CELL = "several-kinds-of-adapters"  # the id of ours
PREFIX = "petl-"  # of the branches' names


@dataclass
class Branch:
    """A pull request.

    Arguments
    ---------
    name : str
        "fix", "adapters", "ast", the name of a recipe, or of more adapters.
    after : str
        The one that it stands on; none for the first.
    title : str
        Of the pull request.
    text : str
        The file of ``texts`` that says what it does.
    limits : dict
        What its diff may have at most: ending of the files -> lines.
    tests : tuple of str
        Of unit tests that it adds.
    documented : tuple of str
        Modules whose doctests run.
    recipe : Recipe, optional
        If it is one.
    later : Later, optional
        If it is that.
    """

    name: str
    after: str
    title: str
    text: str
    limits: dict
    tests: tuple = ()
    documented: tuple = ()
    recipe: Recipe = field(default=None, repr=False)
    later: Later = None

    @property
    def branch(self):
        """The name of the branch in git."""
        return f"{PREFIX}{self.name}"

    def make(self, tree):
        """Write all it brings into a tree that has the branches before.

        Arguments
        ---------
        tree : pathlib.Path
            Of the checkout.
        """
        if self.recipe:
            _make_recipe(tree, self.recipe)
        elif self.later:
            _add(tree, self.later.files())
        else:
            MAKERS[self.name](tree)


def branches(root, methods):
    """All branches, in their order.

    Arguments
    ---------
    root : str or os.PathLike
        The checkout of this project.
    methods : list of str
        Of the recipes.

    Returns
    -------
    list of Branch
        Each after the one that it stands on.
    """
    recipes = [Recipe(dataset, root, methods) for dataset in DATASETS]
    return [
        Branch(
            "fix",
            "",
            "Keep the buffers of inserted adapters in checkpoints",
            "fix.md",
            {"": 60},
            tests=("tests/unittests/test_adapters.py",),
            documented=("speechbrain/nnet/adapters.py",),
        ),
        Branch(
            "adapters",
            "fix",
            "Adapters by glob: LoRA for fused projections, bottleneck, conformer",
            "adapters.md",
            {"": 1000},
            tests=("tests/unittests/test_petl.py",),
            documented=("speechbrain/nnet/adapters.py", PETL),
        ),
        Branch(
            "ast",
            "adapters",
            "Audio Spectrogram Transformer",
            "ast.md",
            {AST: 800},
            tests=("tests/unittests/test_ast.py",),
            documented=(AST,),
        ),
        *map(_of_recipe, recipes),
        *map(_of_later, LATER),
    ]


def _of_recipe(recipe):
    title = f"{recipe.dataset.title}: adapt an Audio Spectrogram Transformer"
    limits = {".py": 300, ".yaml": 500}
    return Branch(
        *(recipe.dataset.name, "ast", title, "recipe.md", limits),
        recipe=recipe,
    )


def _of_later(later):
    return Branch(
        *(later.name, "adapters", later.title, "later.md", {"": 1000}),
        tests=(later.test,),
        documented=(later.path,),
        later=later,
    )


def _fix(tree):
    _patch(tree, "fix.patch")


def _adapters(tree):
    _patch(tree, "adapters.patch")
    tests = "tests/unittests/test_petl.py"
    _add(tree, {PETL: petl_module(), tests: read_text("test_petl.txt")})
    _add_to_tutorial(tree / TUTORIAL)


def _ast(tree):
    tests = "tests/unittests/test_ast.py"
    _add(tree, {AST: ast_module(), tests: read_text("test_ast.txt")})


def _add(tree, files):
    """New python files."""
    write(tree, files, {})
    _tidy(tree, files)


MAKERS = {"fix": _fix, "adapters": _adapters, "ast": _ast}


def _make_recipe(tree, recipe):
    files = recipe.files()
    write(tree, files, recipe.links())
    _tidy(tree, [name for name in files if name.endswith(".py")])
    path = tree / "tests" / "recipes" / f"{recipe.dataset.folder}.csv"
    text = path.read_text(encoding="utf-8")
    if text.splitlines()[0].split(",") != COLUMNS:
        raise InputError(f"{path} has other columns than {', '.join(COLUMNS)}")
    rows = rows_text(recipe.listed.rows())
    if rows not in text:
        path.write_text(f"{text.rstrip()}\n{rows}", encoding="utf-8")


def _patch(tree, name):
    """Apply a patch, unless it has been merged there."""
    if _apply(tree, name, "--reverse", "--check").returncode:
        done = _apply(tree, name)
        if done.returncode:
            raise InputError(
                f"{name} does not fit this SpeechBrain, which may have "
                f"changed: {done.stderr.strip()}"
            )


def _apply(tree, name, *options):
    return subprocess.run(
        ["git", "-C", str(tree), "apply", *options, "-"],
        input=read_text(name),
        capture_output=True,
        text=True,
    )


def _tidy(tree, names):
    """Sort imports and format, by their settings."""
    for command in (["check", "-q", "--fix"], ["format", "-q"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, *names],
            cwd=tree,
            capture_output=True,
            check=False,  # what it cannot mend, the checks name
        )


def _add_to_tutorial(path):
    """A cell, in the form in which their notebook is written."""
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    cells = notebook["cells"]
    if any(cell.get("id") == CELL for cell in cells):
        return
    place = next(
        i
        for i, cell in enumerate(cells)
        if "".join(cell["source"]).startswith(BEFORE)
    )
    cell = {
        "cell_type": "markdown",
        "id": CELL,
        "metadata": {},
        "source": read_text("tutorial.md").rstrip().splitlines(keepends=True),
    }
    cells.insert(place, cell)
    indent = 1 if text.startswith('{\n "') else 2
    new = json.dumps(notebook, indent=indent, ensure_ascii=False)
    path.write_text(new + text[len(text.rstrip()) :], encoding="utf-8")
