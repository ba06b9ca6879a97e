"""Every test process computes on one core: pytest -n takes the others."""

import os
from functools import lru_cache

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest  # noqa: E402
from layouts import make_esc50  # noqa: E402


@pytest.fixture(scope="session")
def esc50(tmp_path_factory):
    """A generated ESC-50-master with the ten classes of ESC-10."""
    return make_esc50(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished tiny run of a kind that finished_runs.py knows, made once."""
    from finished_runs import finish

    return lru_cache(lambda kind: finish(kind, tmp_path_factory.mktemp(kind)))
