"""A clone of SpeechBrain, made of the installed package: enough for branches."""

import json
import shutil
import subprocess
from pathlib import Path

from speechbrain_petl.experiments.upstream.branches import BEFORE, TUTORIAL
from speechbrain_petl.experiments.upstream.datasets import DATASETS
from speechbrain_petl.experiments.upstream.listed import COLUMNS

import speechbrain

FILES = {
    ".dict-speechbrain.txt": "\n",
    ".pre-commit-config.yaml": "repos: []\n",
    "pyproject.toml": '[project]\nname = "speechbrain"\ndependencies = [\n'
    '    "hyperpyyaml",\n    "torch>=2.1.0",\n    "torchaudio>=2.1.0",\n]\n'
    "[tool.ruff]\nline-length = 80\n"
    '[tool.ruff.lint]\nselect = ["E", "W", "F", "I"]\nignore = ["E501"]\n'
    "[tool.ruff.lint.isort]\n"
    'known-first-party = ["speechbrain"]\n'
    'known-third-party = ["torch", "torchaudio", "hyperpyyaml"]\n',
    "tests/utils/recipe_tests.py": '"""Theirs."""\n',
    "tests/unittests/README.md": "Theirs.\n",
    TUTORIAL: json.dumps(
        {"cells": [{"cell_type": "markdown", "source": [BEFORE]}]}, indent=1
    ),
}


for dataset in DATASETS:
    module, _, function = dataset.prepare.partition(".")
    text = f'"""Theirs."""\n\n\ndef {function}(**kwargs):\n    """Theirs."""\n'
    FILES[f"recipes/{dataset.folder}/{module}.py"] = text
    FILES[f"tests/recipes/{dataset.folder}.csv"] = ",".join(COLUMNS) + "\n"


def git(folder, *argv):
    """What a git command prints."""
    name = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", "-C", str(folder), *name, *argv],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def make_speechbrain(folder):
    """The clone, with its branch develop."""
    folder = Path(folder) / "speechbrain"
    unwanted = shutil.ignore_patterns("__pycache__", "integrations")
    shutil.copytree(
        speechbrain.__path__[0], folder / "speechbrain", ignore=unwanted
    )
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "init", "-q", "-b", "develop")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "theirs")
    return folder
