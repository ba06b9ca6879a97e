"""README's table and docs/results.md: what the kept runs say."""

import sys

import pytest
from method_files import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import results  # noqa: E402


@pytest.mark.parametrize("page", results.PAGES, ids=lambda path: path.name)
def test_the_page_is_up_to_date(page):
    """python docs/results.py"""
    assert page.read_text(encoding="utf-8") == results.written(page)


def test_only_whole_rows_are_compared():
    """All folds, or all draws; one fold apart."""
    whole, few = (
        results.of_folds(*results.ESC10),
        results.of_draws(*results.FEW),
    )
    assert {len(row.runs) for row in [*whole.rows, *few.rows]} == {5}
    assert {"linear", "lora", "weighted_layers"} <= {
        r.method for r in whole.rows
    }
    one = results.of_one_fold(*results.ESC10)
    assert {len(row.runs) for row in one.rows} == {1}
    assert {r.method for r in whole.rows} <= {r.method for r in one.rows}


def test_a_mean_of_few_needs_all_of_them():
    few = results.of_draws(*results.FEW)
    counts = {}
    for row in few.rows:
        counts.setdefault(row.method, set()).add(row.shots)
    lines = results.by_clips(results.of_folds(*results.ESC10), few).split("\n")
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        shots = counts.get(cells[0].strip("`"), set())
        assert bool(cells[-1]) == (shots == set(results.SHOTS)), line
