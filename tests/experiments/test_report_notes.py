"""Reports: what is marked, and what does not count."""

import numpy
import pytest
from result_trees import cells_of, make_folds, make_run, tables_of, text_of
from speechbrain_petl.experiments.report.markdown import as_markdown
from speechbrain_petl.experiments.report.settings import read_settings

ACCURACY = "accuracy, %"


def test_nothing_to_note(tmp_path):
    """Runs without a fault give a table without a note."""
    make_folds(tmp_path, "lora", [0.5, 0.6, 0.7])
    make_folds(tmp_path, "linear", [0.3, 0.3, 0.3])
    (table,) = tables_of(tmp_path, of_methods={"lr"}).values()
    assert table.notes == [] and [row.notes for row in table.rows] == [[], []]
    assert [row.name for row in table.rows] == ["lora", "linear"]


def test_a_missing_fold(tmp_path):
    """Is named, and the mean says of how many runs it is."""
    make_folds(tmp_path, "lora", [0.5, 0.6])
    make_folds(tmp_path, "linear", [0.3, 0.3, 0.3])
    text = text_of(tmp_path)
    lora, linear = cells_of(text)
    assert lora["method"] == "lora (1)" and lora["runs"] == "2 of 3"
    assert linear["method"] == "linear" and linear["runs"] == "3"
    assert "1. lora: incomplete, seed 1: without fold 3 of 3." in text


def test_seeds_that_lack_the_same(tmp_path):
    """Few clips are often drawn from one fold alone."""
    make_folds(tmp_path, "linear", [0.3, 0.3, 0.3])
    make_run(tmp_path, "lora", 2, seed=1)
    make_run(tmp_path, "lora", 2, seed=2)
    line = "1. lora: incomplete, seed 1; seed 2: without fold 1, 3 of 3."
    assert line in text_of(tmp_path)


def test_an_alias_is_no_other_setting(tmp_path):
    """A pooling is named once, though ``modules`` holds it too."""
    text = "pooling: &p !new:Mean\n    parts: [1, 2]\nmodules: {pooling: *p}"
    (tmp_path / "hyperparams.yaml").write_text(text)
    known = {"pooling": "!new:Mean", "pooling.parts": "[1, 2]"}
    assert read_settings(tmp_path) == known


def test_one_note_for_all(tmp_path):
    """Rows that lack the same share a note."""
    make_folds(tmp_path, "lora", [0.5, 0.6])
    make_folds(tmp_path, "linear", [0.3, 0.3])
    make_folds(tmp_path, "full", [0.1])
    text = text_of(tmp_path)
    names = [row["method"] for row in cells_of(text)]
    assert names == ["lora (1)", "linear (1)", "full (2)"]
    assert "1. lora; linear: incomplete, seed 1: without fold 3 of" in text


def test_a_fold_of_another_seed(tmp_path):
    """Three runs are no complete set if they are of two seeds."""
    for fold, seed in ((1, 1), (2, 1), (3, 2)):
        make_run(tmp_path, "lora", fold, seed)
    text = text_of(tmp_path)
    assert cells_of(text)[0]["runs"] == "3 of 6"
    assert "seed 1: without fold 3 of 3" in text
    assert "seed 2: without fold 1, 2 of 3" in text


def test_a_fold_too_many(tmp_path):
    """A fold that the data set does not have."""
    make_folds(tmp_path, "lora", [0.5, 0.6, 0.7, 0.8])
    text = text_of(tmp_path)
    assert "fold 4 of seed 1 is none of 1 to 3" in text


def test_two_runs_of_a_cell(tmp_path):
    """Neither counts, and both are named."""
    make_folds(tmp_path, "lora", [0.5, 0.6, 0.7])
    make_run(tmp_path, "lora", 2, place="again/lora", metrics={"accuracy": 1.0})
    settings = {"epochs": 9}
    make_run(tmp_path, "lora", seed=2, place="a", settings=settings)
    make_run(tmp_path, "lora", seed=2, place="b")
    text = text_of(tmp_path)
    (lora,) = cells_of(text)
    assert lora["runs"] == "2 of 6"
    assert "none of `a`, `b` counts (they differ in epochs): keep" in text
    assert lora[ACCURACY] == f"60.00 ± {numpy.std([50, 70], ddof=1):.2f}"
    assert (
        "fold 2, seed 1 ran 2 times, so none of `again/lora`, "
        "`lora/fold2_seed1` counts: keep one" in text
    )


@pytest.mark.parametrize(
    "content",
    ["{", "[1]", "null", '{"dataset": "ESC-10"}', '"\ud800"', "\x00"],
)
def test_a_broken_json(tmp_path, content):
    """Is told, by its folder, in the table's notes; the rest counts."""
    make_folds(tmp_path, "lora", [0.5, 0.6, 0.7])
    broken = tmp_path / "lora/fold3_seed1/result.json"
    broken.write_bytes(content.encode("utf-8", "surrogatepass"))
    text = text_of(tmp_path)
    assert "- `lora/fold3_seed1`: result.json " in text
    assert cells_of(text)[0]["runs"] == "2 of 3"


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": "-"},
        {"metrics": {"accuracy": "high"}},
        {"seconds": None},
        {"history": [0.5]},
    ],
)
def test_half_a_result(tmp_path, change):
    """A json that is no whole result is a broken one."""
    make_folds(tmp_path, "lora", [0.5, 0.6])
    make_run(tmp_path, "lora", 3, **change)
    assert "- `lora/fold3_seed1`: result.json " in text_of(tmp_path)


def test_a_broken_yaml(tmp_path):
    """The settings of a run that nobody can read."""
    make_folds(tmp_path, "lora", [0.5, 0.6, 0.7])
    (tmp_path / "lora/fold1_seed1/hyperparams.yaml").write_text("a: [")
    assert "- `lora/fold1_seed1`: hyperparams.yaml is no" in text_of(tmp_path)


def test_debug_and_unfinished_runs(tmp_path):
    """Do not count, and are told; checkpoints are no runs."""
    make_folds(tmp_path, "lora", [0.5, 0.6])
    make_run(tmp_path, "lora", 3, debug=True)
    (make_run(tmp_path, "lora", 3, seed=2) / "result.json").unlink()
    make_run(tmp_path, "lora", 3, place="lora/fold1_seed1/save/CKPT+1")
    make_run(tmp_path, "lora", 3, place="trial", tested_on="valid")
    text = text_of(tmp_path)
    assert cells_of(text)[0]["runs"] == "2 of 3"
    assert "- `lora/fold3_seed1`: left out, a debug run" in text
    assert "- `lora/fold3_seed2`: not finished, it has no result.json" in text
    assert "- `trial`: left out, its test was on validation" in text
    assert "CKPT" not in text


def test_not_finite(tmp_path):
    """A null is in no mean, and is told."""
    make_folds(tmp_path, "lora", [0.5, 0.75])
    make_run(tmp_path, "lora", 3, metrics={"loss": None, "accuracy": None})
    text = text_of(tmp_path)
    (lora,) = cells_of(text)
    assert lora[ACCURACY] == f"62.50 ± {numpy.std([50, 75], ddof=1):.2f}"
    assert "the mean of accuracy is without `lora/fold3_seed1`" in text


def test_other_settings(tmp_path):
    """Runs of a mean, and rows of a table, that differ in their settings."""
    make_run(tmp_path, "lora", 1, settings={"epochs": 7})
    make_run(tmp_path, "lora", 2)
    make_run(tmp_path, "lora", 3, device="another CPU", processes=2)
    make_folds(tmp_path, "linear", [0.3] * 3, settings={"lr": 1, "mels": 9})
    (table,) = tables_of(tmp_path, of_methods={"lr"}).values()
    text = as_markdown(table)
    assert "lora: the runs differ in device: another CPU in 1, some CPU in 2;"
    for note in (
        "the runs differ in epochs: 3 in 2, 7 in 1",
        "the runs differ in processes: 1 in 2, 2 in 1",
        "- the rows differ in epochs: 3 (linear, lora); 7 (lora)",
        "- the rows differ in mels: 9 (linear); missing (lora)",
    ):
        assert note in text
    assert "differ in lr" not in text and "log.txt" not in text
    linear = next(row for row in table.rows if row.method == "linear")
    assert linear.notes == []


def test_no_settings(tmp_path):
    """Runs without a hyperparams.yaml are told."""
    make_folds(tmp_path, "lora", [0.5, 0.6, 0.7], settings=False)
    assert "without a hyperparams.yaml: `lora/fold1_seed1`" in text_of(tmp_path)
