"""Differences of methods, run by run, against another way to compute them."""

import numpy as np
import pytest
from result_trees import cells_of, make_folds
from scipy.stats import spearmanr, t, ttest_rel
from speechbrain_petl.experiments.report.groups import make_tables
from speechbrain_petl.experiments.report.markdown import as_markdown
from speechbrain_petl.experiments.report.paired import (
    differences_from,
    p_value,
    pairs_of,
    rank_correlation,
    steps_of,
)
from speechbrain_petl.experiments.report.runs import find_runs

FOUND = {
    "linear": [0.70, 0.72, 0.68, 0.75, 0.71],
    "lora": [0.80, 0.79, 0.81, 0.84, 0.77],
    "full": [0.78, 0.83, 0.76, 0.81, 0.80],
}


@pytest.fixture
def table(tmp_path):
    for method, accuracies in FOUND.items():
        make_folds(tmp_path, method, accuracies, folds=5)
    (one,) = make_tables(*find_runs(tmp_path))
    return one


def row_of(table, method):
    return next(row for row in table.rows if row.method == method)


@pytest.mark.parametrize("validating", [True, False])
def test_corrected_t_test(table, validating):
    for row in table.rows:
        for run in row.runs:
            epoch = {"valid": {"accuracy": 0.5}} if validating else {}
            run.result["history"] = [{"epoch": 1, **epoch}]
    values = np.subtract(FOUND["lora"], FOUND["linear"])
    found = differences_from(row_of(table, "lora"), table)
    assert set(found) == {"linear", "full"}
    difference, p = found["linear"]
    assert difference == pytest.approx(values.mean())
    # of five folds, three train where one validates
    ratio = 1 / 3 if validating else 1 / 4
    statistic = values.mean() / (values.std(ddof=1) * (1 / 5 + ratio) ** 0.5)
    assert p == pytest.approx(2 * t.sf(statistic, 4))
    assert set(differences_from(row_of(table, "linear"), table)) == {"full"}


def test_the_seeds_of_a_fold_are_one(table, tmp_path):
    """They are tested on the same clips; of one fold alone, seeds are tested."""
    again = {"linear": [0.71, 0.70, 0.70, 0.74, 0.72], "lora": [0.79] * 5}
    for method, accuracies in again.items():
        make_folds(tmp_path, method, accuracies, folds=5, seed=2)
    (table,) = make_tables(*find_runs(tmp_path))
    first, second = (
        np.subtract(found["lora"], found["linear"]) for found in (FOUND, again)
    )
    lora, linear = (row_of(table, method) for method in ("lora", "linear"))
    mean = list((first + second) / 2)
    expected = p_value(mean, lora.runs[0].result)
    difference, p = differences_from(lora, table)["linear"]
    assert difference == pytest.approx((first + second).mean() / 2)
    assert p == pytest.approx(expected)
    pairs = pairs_of(lora, linear, "accuracy")
    alone = {cell: pair for cell, pair in pairs.items() if cell[0] == 2}
    assert sorted(steps_of(alone)) == pytest.approx(
        sorted([first[1], second[1]])
    )


def test_draws_of_clips_are_not_corrected(table):
    for row in table.rows:
        row.shots = 5
        for run in row.runs:
            run.result["shots"] = 5
    _, p = differences_from(row_of(table, "lora"), table)["full"]
    assert p == pytest.approx(ttest_rel(FOUND["lora"], FOUND["full"]).pvalue)
    row_of(table, "full").shots = 10
    assert set(differences_from(row_of(table, "lora"), table)) == {"linear"}


def test_equal_runs_differ_by_nothing(table):
    row = row_of(table, "lora")
    row.cells = row_of(table, "linear").cells
    assert differences_from(row, table)["linear"] == (0.0, 1.0)


def test_one_difference_in_all_folds_is_no_p(table):
    """Accuracies lie on a grid: three equal steps may be chance."""
    assert p_value([0.5, 0.5, 0.5], {"folds": 5}) is None
    row, other = row_of(table, "lora"), row_of(table, "linear")
    for cell, (run,) in row.cells.items():
        run.result["metrics"]["accuracy"] = 0.5
        other.cells[cell][0].result["metrics"]["accuracy"] = 0.25
    assert differences_from(row, table)["linear"] == (0.25, None)
    assert "+25.00 (-)" in as_markdown(table).replace("\\", "")


def test_rank_correlation(table):
    folds = np.transpose(list(FOUND.values()))
    pairs = [(a, b) for a in range(5) for b in range(a)]
    rho = [spearmanr(folds[a], folds[b]).statistic for a, b in pairs]
    assert rank_correlation(table) == pytest.approx(np.mean(rho))


def test_what_a_reader_sees(table):
    text = as_markdown(table)
    cells = {row["method"]: row for row in cells_of(text)}
    heads = {head.replace("\\", "") for head in cells["lora"]}
    assert {"- linear (p)", "- full (p)", "MiB", "kB kept"} <= heads
    line = " ".join(cells["lora"].values())
    assert "+9.00 (0." in line and "700" in line and " 8" in line
    assert "Rank correlation of the rows between runs: " in text
