"""README's table and docs/results.md: what the kept runs say."""

import json
import sys
from statistics import mean

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
    _, lines = results.with_mean(results.of_folds(*results.ESC10), few)
    for method, *_, last in lines:
        whole = counts.get(method, set()) == set(results.SHOTS)
        assert bool(last) == whole, method


def test_ten_clips_of_every_fold_are_counted_apart():
    """Against the files themselves: fold 1's draws, and one draw of each."""
    kept = ROOT / "recipes" / "ESC50" / "kept" / "whisper" / "lora"
    for table, names in (
        (results.of_draws(*results.FEW), "fold1_seed?_protocol4-1_shots10"),
        (results.of_ten(*results.FEW), "fold?_seed1_protocol4-1_shots10"),
    ):
        found = [
            json.loads(path.read_text())["metrics"]["accuracy"]
            for path in kept.glob(f"{names}/result.json")
        ]
        (row,) = (
            row
            for row in table.rows
            if row.method == "lora" and row.shots == 10
        )
        assert len(found) == len(row.runs) == 5
        assert row.statistics("accuracy")[0] == pytest.approx(mean(found))


def test_the_front_has_no_gaps():
    heads, lines = results.with_others(
        results.of_folds(*results.ESC10),
        results.of_draws(*results.FEW),
        results.of_folds(*results.DIGITS),
        "digits",
    )
    assert {"lora", "linear"} <= {line[0] for line in lines}
    assert all(len(line) == len(heads) and all(line) for line in lines)
