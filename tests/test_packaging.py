"""What pip is told: dependencies, extras, the wheel, the range of versions."""

import email
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from method_files import ROOT
from source_tree import PACKAGE, third_party
from speechbrain_petl.__main__ import COMMANDS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# tests that a set of versions has to pass: each room, and a recipe as it is run
CORE = [
    "speechbrain_petl",
    *(f"tests/{room}" for room in ("adapters", "lobes", "recipe", "weights")),
    "tests/experiments/test_plots.py",
    "tests/experiments/test_report.py",
    "tests/inference/test_classify.py",
    "tests/inference/test_deploy.py",
    "tests/training/test_brain.py",
    "tests/training/test_precision.py",
    "tests/datasets/test_esc50.py",
]


MINUTES = 40  # 9 were needed on two busy cores


def names(requirements):
    """Normalised names of distributions."""
    found = {re.match(r"[\w.-]+", line)[0] for line in requirements}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def test_dependencies_are_said_once():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-e ."]


def test_what_is_imported_is_declared():
    """Also inside functions; and nothing that is not imported is asked for."""
    providers = packages_distributions()
    imported = [names(providers.get(m, [m])) for m in third_party()]
    declared = names(PROJECT["dependencies"])
    optional = names(line for lines in EXTRAS.values() for line in lines)
    assert all(some & (declared | optional) for some in imported), imported
    assert declared <= set().union(*imported)


def test_the_test_extra_brings_what_the_others_do():
    """But for wandb, which tests replace, and the site's builder."""
    whole = next(d for d in EXTRAS["test"] if d.startswith(PACKAGE))
    brought = set(re.search(r"\[(.*)\]", whole)[1].split(","))
    assert brought == EXTRAS.keys() - {"docs", "loggers", "test"}


def elsewhere(python, *argv, **options):
    """A command in a process whose package is the installed one."""
    env = {**os.environ, **options.pop("env", {})}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(python), *map(str, argv)],
        capture_output=True,
        text=True,
        env=env,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(folder):
    """The wheel, made of the sdist, and what its metadata says."""
    uv = ["-m", "uv", "build", "-q", "--out-dir", folder, ROOT]
    elsewhere(sys.executable, *uv)
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        (name,) = [n for n in files.namelist() if n.endswith("/METADATA")]
        return wheel, email.message_from_bytes(files.read(name))


@pytest.mark.slow
def test_a_fresh_environment(tmp_path):
    """The wheel with what it asks for and no more: a recipe of one's own."""
    wheel, said = build(tmp_path)
    for key in ("Author", "License-Expression", "Project-URL", "Classifier"):
        assert said[key], key
    assert not re.search(r"\]\((?!https?:|#)", said.get_payload())
    uv = ["-m", "uv", "-q"]
    venv = tmp_path / "venv"
    elsewhere(sys.executable, *uv, "venv", venv)
    python = venv / "bin" / "python"
    elsewhere(sys.executable, *uv, "pip", "install", "-p", python, wheel)
    elsewhere(python, "-m", PACKAGE, "new", "mine", cwd=tmp_path)
    flat = [PACKAGE, "export", "mine", "--methods=lora", "--into=flat"]
    elsewhere(python, "-m", *flat, cwd=tmp_path)
    assert (tmp_path / "flat" / "hparams" / "lora.yaml").is_file()
    extras = ("matplotlib", "submitit", "optuna", "transformers", "pytest")
    code = "from importlib.util import find_spec; print(*map(find_spec, {}))"
    found = elsewhere(python, "-c", code.format(extras), cwd=tmp_path)
    assert found.split() == ["None"] * len(extras)


@pytest.mark.slow
def test_the_wheel_alone(tmp_path):
    """It holds the whole package, and its command runs without this clone."""
    wheel, _ = build(tmp_path)
    venv = tmp_path / "venv"
    elsewhere(sys.executable, "-m", "venv", "--without-pip", venv)
    python = venv / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(elsewhere(python, "-c", where).strip())
    into = ["install", "-q", "--no-deps", "--target", site, wheel]
    elsewhere(sys.executable, "-m", "pip", *into)
    # all else is this environment's
    others = elsewhere(sys.executable, "-c", where).strip()
    (site / "others.pth").write_text(others)
    where = f"import {PACKAGE}; print({PACKAGE}.__path__[0])"
    found = elsewhere(python, "-c", where, cwd=tmp_path).strip()
    assert found == str(site / PACKAGE)
    shown = elsewhere(python, "-m", PACKAGE, "--help", cwd=tmp_path)
    for name in COMMANDS:
        assert f"\n    {name} " in shown
        elsewhere(python, "-m", PACKAGE, name, "--help", cwd=tmp_path)
    elsewhere(python, "-m", PACKAGE, "new", "mine", cwd=tmp_path)
    assert (tmp_path / "mine" / "hparams" / "lora.yaml").is_file()
    files = {p.relative_to(ROOT / PACKAGE) for p in sources_and_data()}
    assert all((site / PACKAGE / file).is_file() for file in files)


def sources_and_data():
    """The files of the package that git knows."""
    listed = subprocess.check_output(
        ["git", "ls-files", PACKAGE], cwd=ROOT, text=True
    )
    return [ROOT / name for name in listed.splitlines()]


def interpreter(version):
    """A Python of a version on this machine, or None."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    path = os.environ["PATH"].split(os.pathsep)
    found = [Path(folder) / f"python{version}" for folder in path]
    return next((p for p in [*pyenv, *found] if p.is_file()), None)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.13"])
@pytest.mark.parametrize("resolution", ["lowest-direct", "highest"])
def test_versions(resolution, version, tmp_path):
    """A core of the suite passes with the lowest and the highest versions."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    uv = [sys.executable, "-m", "uv"]
    new = tmp_path / "venv" / "bin" / "python"
    subprocess.check_call([*uv, "venv", "-q", "-p", python, tmp_path / "venv"])
    lock = tmp_path / "versions.txt"
    options = ["--extra=test", f"--resolution={resolution}", "-p", new]
    options += ["--only-binary=:all:", "-q", "-o", lock]
    compile_ = [*uv, "pip", "compile", "pyproject.toml", *options]
    subprocess.check_call(compile_, cwd=ROOT)
    install = [*uv, "pip", "install", "-q", "-p", new, "--no-deps"]
    subprocess.check_call([*install, "-r", lock])
    subprocess.check_call([*install, "-e", ROOT])
    pytest_ = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *CORE]
    elsewhere(new, *pytest_, cwd=ROOT, timeout=60 * MINUTES)
