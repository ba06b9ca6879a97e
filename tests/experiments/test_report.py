"""Reports: figures, tables and what stands beside them."""

import sys

import numpy
import pytest
from result_trees import (
    cells_of,
    make_folds,
    make_recipe,
    make_run,
    tables_of,
    text_of,
)
from speechbrain_petl.errors import InputError
from speechbrain_petl.experiments.report import whole
from speechbrain_petl.experiments.report.command import main
from speechbrain_petl.experiments.report.published import Figure
from speechbrain_petl.experiments.report.settings import defaults

ACCURACY = "accuracy, %"


def test_figures(tmp_path):
    """Mean and sample deviation over folds and seeds, as numpy has them."""
    seeds = {1: [0.5, 0.625, 0.8], 2: [0.55, 0.6, 0.9]}
    for seed, accuracies in seeds.items():
        make_folds(tmp_path, "lora", accuracies, seed=seed, seconds=10 * seed)
    make_folds(tmp_path, "full", [0.9, 0.9, 0.9], trainable_parameters=477898)
    make_run(tmp_path, "linear", 1, metrics={"loss": 1.0, "accuracy": 0.25})
    full, lora, linear = cells_of(text_of(tmp_path))
    values = 100 * numpy.array(seeds[1] + seeds[2])
    mean, deviation = values.mean(), values.std(ddof=1)
    assert lora[ACCURACY] == f"{mean:.2f} ± {deviation:.2f}"
    assert lora["loss"] == f"{mean / 50:.3f} ± {deviation / 50:.3f}"
    assert lora["runs"] == "6" and lora["seconds"] == "15"
    assert full[ACCURACY] == "90.00 ± 0.00"
    assert full["trainable parameters"] == "477,898"
    assert linear[ACCURACY] == "25.00"  # one run has no deviation


@pytest.mark.parametrize(
    "one, other",
    [
        ({"dataset": "ESC-50"}, {"dataset": "ESC-10"}),
        ({"protocol": "4-1"}, {"protocol": "3-1-1"}),
        ({"task": 35}, {"task": 12}),
        ({"train_set": "full"}, {"train_set": "balanced"}),
    ],
)
def test_never_mixed(tmp_path, one, other):
    """Another task is another table."""
    make_run(tmp_path, "lora", 1, place="one", **one)
    make_run(tmp_path, "lora", 1, place="other", **other)
    tables = tables_of(tmp_path)
    places = [[run.name for run in table.runs] for table in tables.values()]
    assert sorted(places) == [["one"], ["other"]]
    assert len(tables) == 2
    for value in (*one.values(), *other.values()):
        assert any(str(value) in title for title in tables)


def test_shots_are_rows(tmp_path):
    """Another number of shots is another row, with folds of its own."""
    make_folds(tmp_path, "lora", [0.8, 0.8, 0.8])
    for shots, accuracy in ((4, 0.5), (16, 0.7)):
        for fold in (1, 2, 3):
            make_run(
                tmp_path,
                fold=fold,
                place=f"shots{shots}/{fold}",
                shots=shots,
                metrics={"loss": 1.0, "accuracy": accuracy},
            )
    rows = cells_of(text_of(tmp_path))
    found = [(row["shots"], row[ACCURACY], row["runs"]) for row in rows]
    assert found == [
        ("all", "80.00 ± 0.00", "3"),
        ("16", "70.00 ± 0.00", "3"),
        ("4", "50.00 ± 0.00", "3"),
    ]


def test_other_than_base(tmp_path):
    """What all runs have in place of base.yaml's, and how one was started."""
    recipe = make_recipe(tmp_path)
    make_folds(tmp_path / "out", "lora", [0.5, 0.6, 0.7])
    bases, of_methods = defaults(recipe)
    text = text_of(tmp_path / "out", bases=bases, of_methods=of_methods)
    assert (
        "Other than in base.yaml: epochs 3, encoder.size [96, 4, 3]. " in text
    )
    command = "python train.py hparams/lora.yaml --source=/path/to/y.pt"
    assert f"`{command}`" in text


def test_metrics_of_other_recipes(tmp_path):
    """All metrics, the selecting one first and sorting, units as they are."""
    for method, ua, d_prime in (("lora", 0.6, 2.1), ("full", 0.5, 0.9)):
        metrics = {"loss": 0.5, "WA": 0.9 - ua, "UA": ua, "d_prime": d_prime}
        changes = {"fold": "-", "folds": "-", "select": "UA"}
        make_run(tmp_path, method, metrics=metrics, **changes)
    rows = cells_of(text_of(tmp_path))
    assert list(rows[0])[2:6] == ["UA, %", "WA, %", "d_prime", "loss"]
    assert [row["method"] for row in rows] == ["lora", "full"]
    assert rows[0]["UA, %"] == "60.00" and rows[1]["d_prime"] == "0.900"
    assert rows[0]["runs"] == "1"  # without folds


def test_published(tmp_path):
    """Beside the same task and encoder alone, and cited."""
    figures = [
        Figure("ESC-10", "3-1-1", "lora", "accuracy", 12.3, "http://p", "But.")
    ]
    places = {
        "same": {},
        "small": {"size": "[96, 4, 3]"},
        "random": {"settings": {"source": "null"}},
        "protocol": {"protocol": "4-1"},
        "dataset": {"dataset": "ESC-50"},
        "few": {"shots": 4},
        "method": {"method": "linear"},
        "unknown": {"settings": False},
    }
    for name, changes in places.items():
        make_run(tmp_path / name, **{"size": "base384", **changes})
        text = text_of(tmp_path / name, figures=figures)
        assert ("12.30" in text) == (name == "same"), name
        assert ("](http://p)" in text and "But." in text) == (name == "same")


def test_a_result_of_the_brain(tmp_path, esc50):
    """What a real run leaves is what a report reads, t-SNE included."""
    from tiny_runs import train

    recipe = make_recipe(tmp_path)
    folder = recipe / "results/lora"
    result = train("ESC50", esc50, folder, "--epochs=1", "--esc10=True")
    (table,) = tables_of(recipe / "results").values()
    assert table.title == "ESC-10, encoder AST, protocol 3-1-1"
    (row,) = table.rows
    assert row.name == "lora" and row.complete == 5
    assert row.statistics("accuracy") == (result["metrics"]["accuracy"], None)
    main([str(recipe), f"--embeddings={folder}"])
    pictures = sorted(recipe.glob("report/*.png"))
    kinds = [path.stem.rpartition("_")[2] for path in pictures]
    assert kinds == ["confusion", "learning", "tsne"]


def test_without_matplotlib(tmp_path, capsys, monkeypatch):
    """An extra: the tables are there, and a word about the pictures."""
    recipe = make_recipe(tmp_path)
    make_folds(recipe / "results", "lora", [0.5, 0.6])
    monkeypatch.setattr(whole, "find_spec", lambda name: None)
    main([str(recipe)])
    printed = capsys.readouterr().out
    assert "lora" in printed and ".png" not in printed
    assert printed.count("pip install 'speechbrain_petl[plots]'") == 1


def test_without_scikit_learn(monkeypatch):
    """t-SNE names the command that installs what it needs."""
    from speechbrain_petl.experiments.plots import draw_embeddings

    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(InputError, match="pip install 'scikit-learn"):
        draw_embeddings(numpy.eye(8), list("aabbccdd"), "x.png", "title")
