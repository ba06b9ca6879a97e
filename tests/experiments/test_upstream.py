"""Branches for SpeechBrain: made, made again, and computing what ours does."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import speechbrain_petl
import torch
from fake_speechbrain import git, make_speechbrain
from hyperpyyaml import load_hyperpyyaml
from layouts import make_esc50
from method_files import ROOT
from running import load_train
from speechbrain_petl import AdaptedEncoder, InputError
from speechbrain_petl.experiments.sweep.command import main as sweep
from speechbrain_petl.experiments.upstream import checks, command, hooks
from speechbrain_petl.experiments.upstream.branches import branches
from speechbrain_petl.experiments.upstream.later import LATER
from speechbrain_petl.experiments.upstream.tree import Tree
from speechbrain_petl.recipe.parsing import parse_recipe
from three_steps import BATCHES, losses_of

import speechbrain as sb

METHODS = ("linear", "lora", "bottleneck", "conformer")
RECIPE = "recipes/ESC50/classification/ast"
SIZE = (32, 2, 2)


def upstream(fork, *options):
    """``sbpetl upstream``, without checks."""
    texts = fork.parent / "texts"
    argv = [str(fork), f"--root={ROOT}", f"--texts={texts}", "--no_checks"]
    command.main([*argv, *options])
    return texts


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """A clone that has the branches."""
    fork = make_speechbrain(tmp_path_factory.mktemp("fork"))
    upstream(fork)
    return fork


@pytest.fixture(scope="module")
def tree(fork):
    """The tree of a recipe, on all that it needs."""
    tree = fork.parent / "tree"
    git(fork, "worktree", "add", "-q", "--detach", str(tree), "petl-ESC50")
    return tree


def heads(fork):
    """Branch -> commit."""
    lines = git(fork, "branch", "--format=%(refname:short) %(objectname)")
    return dict(line.split() for line in lines.splitlines() if "petl" in line)


def test_branches_one_upon_the_other(fork):
    """Each has one thing, none is longer than can be reviewed."""
    for branch in branches(ROOT, METHODS):
        parent = f"petl-{branch.after}" if branch.after else "develop"
        changed = git(fork, "diff", "--numstat", parent, branch.branch)
        rows = [line.split("\t") for line in changed.splitlines()]
        sizes = {path: int(more) + int(less) for more, less, path in rows}
        assert not checks.sizes(Tree(fork, branch, sizes)).failed, branch.name
        assert all(test in sizes for test in branch.tests)
    assert git(fork, "status", "--porcelain") == ""
    assert git(fork, "worktree", "list").count("\n") <= 1


def test_a_second_run_changes_nothing(fork, capsys):
    before, texts = heads(fork), fork.parent / "texts"
    said = {path: path.read_bytes() for path in texts.iterdir()}
    upstream(fork)
    assert heads(fork) == before
    assert said == {path: path.read_bytes() for path in texts.iterdir()}
    printed = capsys.readouterr().out
    count = len(branches(ROOT, METHODS))
    assert printed.count("as it was") == count and "new" not in printed
    # nor has anything been checked
    assert printed.count("no check has run") == printed.count(": not ready")
    assert printed.count(": not ready") == count
    text = (texts / "petl-dora.md").read_text()
    assert "## What does this PR do?" in text and "arxiv.org/abs/2402.0" in text


@pytest.mark.parametrize("failed", [0, 1])
def test_what_keeps_a_pull_request_back(failed, fork, capsys, monkeypatch):
    """A check that fails; results that are not there, and the runs for them."""
    found = [checks.Check("theirs", 1, failed, ["a line"])]
    monkeypatch.setattr(command, "run_all", lambda tree: found)
    argv = [str(fork), f"--root={ROOT}", f"--texts={fork.parent / 'texts'}"]
    argv += ["--only=fix,ESC50,GoogleSpeechCommands"]
    if failed:
        with pytest.raises(InputError, match="failed: fix, failed: theirs; ES"):
            command.main(argv)
    else:
        command.main(argv)
    printed = capsys.readouterr().out
    assert ("petl-fix.md: ready" in printed) != failed
    assert "petl-ESC50.md: not ready" in printed
    runs = [x.partition("Run: sbpetl ")[2] for x in printed.splitlines()]
    runs = [run.split() for run in runs if run]
    assert len(runs) == 2 * len(METHODS)
    for name, recipe, *options in runs:
        assert name == "sweep"
        sweep([str(ROOT / recipe), *options, "--dry_run"])
    assert "--fold=5" in capsys.readouterr().out


def test_what_a_branch_needs_is_made_and_no_more(tmp_path):
    """And its files name those who send it."""
    fork = make_speechbrain(tmp_path)
    with pytest.raises(InputError, match="is not among what SpeechBrain get"):
        upstream(fork, "--methods=lora,dora")
    assert not heads(fork)
    git(fork, "tag", "-a", "v1", "-m", "theirs")
    upstream(fork, "--only=dora,ESC50", "--authors=Jane Doe", "--base=v1")
    needed = ("fix", "adapters", "ast", "ESC50", "dora")
    assert heads(fork).keys() == {f"petl-{name}" for name in needed}
    for name in needed[1:]:
        text = git(fork, "diff", "develop", f"petl-{name}")
        assert "speechbrain_petl" not in text
        assert "+ * Jane Doe, 2026" in text


def test_all_that_a_reader_sees_has_a_docstring(fork):
    """Their tests/consistency asks for it of private classes, too."""
    for branch in branches(ROOT, METHODS):
        for path in branch.documented:
            text = git(fork, "show", f"{branch.branch}:{path}")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    seen = not node.name.startswith("_")
                    assert not seen or ast.get_docstring(node), node.name


@pytest.mark.parametrize("later", LATER, ids=lambda later: later.name)
def test_later_adapters_pass_their_tests(later, fork, tmp_path):
    """Theirs are generated, too: run where the branch is."""
    tree = tmp_path / later.name
    git(fork, "worktree", "add", "-q", str(tree), f"petl-{later.name}")
    files = (later.path, later.test)
    commands = [
        ["ruff", "check", "--no-cache", *files],
        ["pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", *files],
    ]
    for words in commands:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
    git(fork, "worktree", "remove", "--force", str(tree))


def test_what_has_been_merged(tmp_path, capsys):
    """The next pull request stands on develop as it is then."""
    fork = make_speechbrain(tmp_path)
    upstream(fork)
    for name in ("petl-ESC50", "petl-fix"):
        git(fork, "merge", "-q", "--squash", name)
        git(fork, "commit", "-q", "--allow-empty", "-m", "merged")
    (fork / "tests/unittests/README.md").write_text("Theirs, and more.\n")
    git(fork, "commit", "-qam", "theirs")
    capsys.readouterr()
    upstream(fork, "--only=ESC50,UrbanSound8k,dora")
    printed = capsys.readouterr().out
    for name in ("fix", "adapters", "ast", "ESC50"):
        assert f"petl-{name}: all of it is there already" in printed
    for name in ("UrbanSound8k", "dora"):
        base = git(fork, "merge-base", "develop", f"petl-{name}")
        assert base == git(fork, "rev-parse", "develop")
        assert git(fork, "rev-list", "--count", f"{base}..petl-{name}") == "1"


def test_other_peoples_commits_stay(tmp_path):
    fork = make_speechbrain(tmp_path)
    git(fork, "branch", "petl-fix")
    with pytest.raises(InputError, match="petl-fix has commits that this"):
        upstream(fork, "--only=fix")
    git(fork, "branch", "-D", "petl-fix")
    upstream(fork, "--only=fix")
    assert heads(fork).keys() == {"petl-fix"}
    with pytest.raises(InputError, match="no clone of speechbrain"):
        upstream(tmp_path)
    with pytest.raises(InputError, match="--only='fixes' is not one of"):
        upstream(fork, "--only=fixes")
    with pytest.raises(InputError, match="dora: speechbrain_petl.DoRA is not"):
        upstream(fork, "--methods=dora")
    path = fork / "speechbrain" / "nnet" / "adapters.py"
    path.write_text(path.read_text().replace("Saves only the", "Saves the"))
    git(fork, "commit", "-qam", "theirs")
    with pytest.raises(InputError, match="fix.patch does not fit this Spee"):
        upstream(fork)


def module_of(path):
    """A python file as a module of its own."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_the_encoder_computes_as_ours(tree):
    theirs = module_of(tree / "speechbrain" / "lobes" / "models" / "AST.py")
    ours = speechbrain_petl.AST(SIZE, frames=64).eval()
    other = theirs.AST(SIZE, frames=64).eval()
    other.load_state_dict(ours.state_dict())
    wavs, wav_lens = torch.randn(2, 9000), torch.tensor([1.0, 0.5])
    x = speechbrain_petl.Fbank(frames=64)(wavs, wav_lens)
    assert torch.equal(theirs.Fbank(frames=64)(wavs, wav_lens), x)
    assert torch.allclose(other(x), ours(x), atol=1e-5)


@pytest.mark.parametrize("block", ["Bottleneck", "ConformerConvolution"])
def test_adapters_compute_as_ours(block, tree):
    theirs = module_of(tree / "speechbrain" / "nnet" / "petl.py")
    x, linear = torch.randn(2, 10, 32), torch.nn.Linear(32, 32)
    pairs = []
    for home in (speechbrain_petl, theirs):
        inner = partial(getattr(home, block), width=4)
        fused = torch.nn.Linear(32, 96)
        pairs.append(
            torch.nn.ModuleList(
                [home.Adapter(linear, inner), home.LoRA(fused, parts="qv")]
            )
        )
    for parameter in pairs[0].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    pairs[1].load_state_dict(pairs[0].state_dict())
    for ours, other in zip(*pairs):
        assert torch.equal(other(x), ours(x))


def three_steps_of_ours(method, data, folder):
    """The losses of our recipe, the state it began with, and its clips."""
    train = load_train()
    path = ROOT / "recipes" / "ESC50" / "hparams" / f"{method}.yaml"
    argv = [str(path), f"--data_folder={data}", f"--output_folder={folder}"]
    argv += ["--esc10=True", "--ast_size=[32,2,2]", "--frames=64"]
    argv += ["--source=null", "--device=cpu", "--noprogressbar"]
    hparams_file, run_opts, overrides = parse_recipe(argv)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    manifests = train.prepare_esc50(**hparams["prepare"])
    hparams["dataio"]["manifests"] = manifests
    datasets, labels = train.dataio_prep(hparams)
    encoder = AdaptedEncoder(hparams["encoder"], **hparams["petl"])
    classifier = hparams["classifier"](encoder.encoder.dim, len(labels))
    brain = train.ESC50Brain(
        {**hparams["modules"], "encoder": encoder, "classifier": classifier},
        metrics={},
        select=None,
        hparams=hparams,
        run_opts=run_opts,
        **hparams["brain"],
    )
    brain.epochs, brain.steps_per_epoch = 1, len(BATCHES)
    state = {
        "encoder": encoder.encoder.state_dict(),
        "classifier": classifier.state_dict(),
    }
    torch.save(state, folder / "state.pt")
    losses = losses_of(brain, datasets["train"], sb.Stage.TRAIN)
    return losses, json.loads(Path(manifests["train"]).read_text())


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            m, marks=() if m in ("linear", "lora") else pytest.mark.slow
        )
        for m in METHODS
    ],
)
def test_three_steps_have_the_same_losses(method, tree, tmp_path):
    """On the same clips, with augmentation, from the same weights."""
    data = make_esc50(tmp_path)
    losses, clips = three_steps_of_ours(method, data, tmp_path)
    manifest = {
        name: {
            "wav": os.path.basename(clip["wav"]),
            "class_string": clip["label"],
            "duration": clip["duration"],
        }
        for name, clip in clips.items()
    }
    (tmp_path / "train.json").write_text(json.dumps(manifest))
    recipe = tree / RECIPE
    link = recipe / "hparams" / "method.yaml"
    link.unlink(missing_ok=True)
    link.symlink_to(f"{method}.yaml")
    overrides = (
        f"{{data_folder: {data}, output_folder: {tmp_path}/out, "
        f"save_folder: {tmp_path}, ast_size: [32, 2, 2], frames: 64, "
        "out_n_neurons: 10}"
    )
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "tests/helpers/three_steps.py")),
            *(str(tmp_path / "state.pt"), str(tmp_path / "train.json")),
            overrides,
        ],
        cwd=recipe,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == pytest.approx(losses, abs=1e-6)
    assert len({round(loss, 4) for loss in losses}) == 3


BAD = {
    "recipes/a/train.py": '"""A.\n\n>>> import peft\n"""\n\nimport pandas\n'
    "import timm\n\n",
    "recipes/a/README.md": "[there](train.py) [gone](other.py) \n",
    "recipes/a/extra_requirements.txt": "pandas\nabc\n",
}


def test_what_the_checks_find(tree, tmp_path):
    """An import, a link, white space, an order, a size."""
    for name, text in {**BAD, "pyproject.toml": ""}.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or (tree / name).read_text())
    (branch,) = [b for b in branches(ROOT, ["lora"]) if b.name == "ESC50"]
    changed = {**dict.fromkeys(BAD, 10), "recipes/a/b.yaml": 501}
    bad = Tree(tmp_path / "tree", branch, changed)
    assert sorted(checks.imports(bad).lines) == [
        "recipes/a/train.py: imports peft",
        "recipes/a/train.py: imports timm",
    ]
    assert checks.links(bad).lines == [
        "recipes/a/README.md: other.py is not there"
    ]
    (tmp_path / "tree" / "recipes/a/b.yaml").write_text("a: 1\n")
    assert hooks.white_space(bad).lines == [
        "recipes/a/README.md:1: trailing white space",
        "recipes/a/extra_requirements.txt: not sorted",
        "recipes/a/train.py: its end is not one line break",
    ]
    assert checks.sizes(bad).lines == [".yaml: 501 lines, more than 500"]
    (tmp_path / "test_a.py").write_text("def test_a():\n    assert False\n")
    found = checks.pytest(bad, "theirs", str(tmp_path / "test_a.py"))
    assert (found.passed, found.failed) == (0, 1)


def test_imports_and_links_of_the_branches(fork, tree):
    """Nothing beyond SpeechBrain and what the recipe asks for."""
    made = branches(ROOT, METHODS)
    for branch in sorted(made, key=lambda branch: branch.name == "ESC50"):
        git(tree, "checkout", "-q", "--detach", branch.branch)
        names = git(tree, "diff", "--name-only", "develop", branch.branch)
        found = Tree(tree, branch, dict.fromkeys(names.splitlines(), 1))
        for check in (checks.imports(found), checks.links(found)):
            assert not check.failed, check.lines
        assert not hooks.white_space(found).failed
