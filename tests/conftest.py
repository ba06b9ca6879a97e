"""Every test process computes on one core: pytest -n takes the others."""

import os
from functools import lru_cache

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest  # noqa: E402
from layouts import make_esc50  # noqa: E402
from method_files import ROOT  # noqa: E402


@pytest.fixture(scope="session")
def esc50(tmp_path_factory):
    """A generated ESC-50-master with the ten classes of ESC-10."""
    return make_esc50(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """The repository's recipes, with tests/samples, where their flags are."""
    from samples import write_samples

    root = tmp_path_factory.mktemp("upstream")
    (root / "recipes").symlink_to(ROOT / "recipes")
    write_samples(root / "tests" / "samples")
    return root


@pytest.fixture
def recipe_brain(samples, tmp_path, monkeypatch):
    """What a row of the recipe lists would train: see recipe_brains.py."""
    from recipe_brains import stopped

    def get(row, *more):
        return stopped(row, samples, tmp_path / "run", monkeypatch, more)

    return get


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished tiny run of a kind that finished_runs.py knows, made once."""
    from finished_runs import finish

    return lru_cache(lambda kind: finish(kind, tmp_path_factory.mktemp(kind)))
