"""README, CONTRIBUTING and docs: what they tell people to type runs, and their tables hold."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import PAGES, blocks
from layouts import make_esc50
from method_files import ROOT
from method_sizes import EXPECTED
from speechbrain_petl import AST, save_pretrained
from tiny_runs import train

HERE = "tests/test_documents.py"
TINY = (
    "--device=cpu --noprogressbar --num_workers=0 --epochs=1 "
    "'--ast_size=[32,2,2]' --frames=64"
)
OF_ESC10 = f"{TINY} --source=null --esc10=True"
README_BYTES = 10 * 1024
BLOCKS = blocks()


def test_the_readme_is_read_in_five_minutes():
    assert (ROOT / "README.md").stat().st_size <= README_BYTES


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_command_is_run_or_needs_a_download(block):
    """And the test that runs it is there, and knows its program and options."""
    assert bool(block.test) != block.download
    if block.test and block.test != HERE:
        text = (ROOT / block.test).read_text(encoding="utf-8")
        missing = block.words() - set(re.findall(r"[a-zA-Z0-9_]+", text))
        assert not missing, f"{block.test} does not speak of {missing}"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, with data, a finished run and sounds of one's own."""
    root = tmp_path_factory.mktemp("project")
    for name in ("recipes", "templates", "docs", "speechbrain_petl"):
        unwanted = shutil.ignore_patterns("results", "__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=unwanted)
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / name, root)
    clips = make_esc50(root / "data", odd=False)
    sounds = sorted((clips / "audio").glob("*.wav"))
    (root / "sounds").mkdir()
    for wav in sounds[:2]:
        shutil.copy(wav, root / "sounds")
    shutil.copy(sounds[0], root / "dog.wav")
    source = str(root / "source.safetensors")
    save_pretrained(AST((32, 2, 2), frames=64), source)
    options = "--esc10=True", "--epochs=1", f"--source={source}"
    run = root / "results/lora/fold1_seed1"
    train("ESC50", clips, run, *options)
    shutil.copytree(run, run.with_name("fold1_seed2"))
    (root / "bin").mkdir()
    for name in ("python", "sbpetl", "mkdocs"):
        module = {"sbpetl": "-m speechbrain_petl", "mkdocs": "-m mkdocs"}
        script = root / "bin" / name
        program = f'exec "{sys.executable}" {module.get(name, "")} "$@"\n'
        script.write_text(f"#!/bin/sh\n{program}")
        script.chmod(0o755)
    return root


def small(text, root):
    """The same commands on tiny data, with a tiny encoder."""
    for name in ("source.safetensors", "ESC-50-master"):
        place = root / "data" / name if name.startswith("ESC") else root / name
        text = text.replace(f"/path/to/{name}", str(place))
    text = text.replace("--folds all --seeds 3", "--folds 1 --seeds 1")
    text = text.replace("--trials 20", "--trials 1")
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if re.search(r"train\.py|sbpetl (sweep|search)", line):
            real = "--data_folder" in line
            lines[i] = f"{line} {OF_ESC10 if real else TINY}"
            if "batch_size=" not in line:  # else it is searched for
                lines[i] += " --batch_size=4"
    return "\n".join(lines)


def type_in(block, root):
    """Run a block in the folder that it is about."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    env["PATH"] = f"{root / 'bin'}{os.pathsep}{env['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", small(block.text, root)]
    if block.language == "python":
        wavs = "import torch\nwavs = torch.randn(3, 44100)\n"
        command = [sys.executable, "-c", wavs + small(block.text, root)]
    return subprocess.run(
        command, cwd=root, env=env, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b, id=str(b), marks=[pytest.mark.slow] * b.slow)
        for b in BLOCKS
        if b.test == HERE
    ],
)
def test_it_runs(block, project):
    done = type_in(block, project)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sizes_in_the_table_of_methods():
    """Those that test_adapters_sizes.py asserts; all files are there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("[start:methods]") : text.index("[end:methods]")]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[3:-1]]
    said = {}
    for names, _, sizes in rows:
        names, sizes = re.findall(r"`(\w+)`", names), sizes.split("; ")
        said |= dict(zip(names, sizes * (len(names) if len(sizes) == 1 else 1)))
    assert said == {name: f"{EXPECTED[name]:,}" for name in said}
    folder = ROOT / "recipes" / "ESC50" / "hparams"
    for name in re.findall(r"`(\w+)`", table):
        assert (folder / f"{name}.yaml").is_file(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    """Those to files of the project."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    assert not re.findall(r"python -m speechbrain_petl", text)
    for path in re.findall(
        r"`((?:recipes|templates|tests/helpers|tests/recipes)/[\w./]+)`", text
    ):
        assert (ROOT / path).exists(), path


def test_the_tests_that_the_readme_names_are_run():
    """What .ci/run reads is the last command of the README."""
    lines = (
        Path(ROOT / "README.md").read_text().split("<!-- test command -->\n")
    )
    assert "\npython3 -m venv .venv && " in lines[1]
    assert 'requirements.txt -e ".[test]" && pytest -n 2\n' in lines[1]
