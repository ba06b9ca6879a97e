"""Reports: figures, what is marked, the README."""

import json
import re
import sys

import numpy
import pytest
from result_trees import make_recipe, make_run

from speechbrain_petl.errors import InputError
from speechbrain_petl.report import as_markdown, find_runs, make_tables
from speechbrain_petl.report.__main__ import main
from speechbrain_petl.report.published import Figure
from speechbrain_petl.report.settings import defaults

MARKED = "# Title\n<!-- report -->\n<!-- /report -->\nend\n"
ACCURACY = "accuracy, %"


def tables_of(root, **kwargs):
    """Title -> table."""
    runs, problems = find_runs(root)
    return {t.title: t for t in make_tables(runs, problems, **kwargs)}


def text_of(root, **kwargs):
    """The Markdown of the only table."""
    (table,) = tables_of(root).values()
    return as_markdown(table, **kwargs)


def cells_of(text):
    """Rows of a table in Markdown, as column -> cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads, _, *rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
    ]
    return [dict(zip(heads, row)) for row in rows]


def make_folds(root, method, accuracies, **kwargs):
    """A run for each accuracy, from fold 1 on."""
    for fold, accuracy in enumerate(accuracies, 1):
        metrics = {"loss": 2 * accuracy, "accuracy": accuracy}
        make_run(root, method, fold, metrics=metrics, **kwargs)


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
    text = text_of(tmp_path)
    (lora,) = cells_of(text)
    assert lora["runs"] == "2 of 3"
    assert lora[ACCURACY] == f"60.00 ± {numpy.std([50, 70], ddof=1):.2f}"
    assert (
        "fold 2, seed 1 ran 2 times, so none of `again/lora`, "
        "`lora/fold2_seed1` counts" in text
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
    [{"metrics": "-"}, {"metrics": {"accuracy": "high"}}, {"seconds": None}],
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
    text = text_of(tmp_path)
    assert cells_of(text)[0]["runs"] == "2 of 3"
    assert "- `lora/fold3_seed1`: left out, a debug run" in text
    assert "- `lora/fold3_seed2`: not finished, it has no result.json" in text
    assert "CKPT" not in text


def test_not_finite(tmp_path):
    """A null is in no mean, and is told."""
    make_folds(tmp_path, "lora", [0.5, 0.75])
    make_run(tmp_path, "lora", 3, metrics={"loss": None, "accuracy": None})
    text = text_of(tmp_path)
    (lora,) = cells_of(text)
    assert lora[ACCURACY] == f"62.50 ± {numpy.std([50, 75], ddof=1):.2f}"
    assert "the mean of accuracy is without `lora/fold3_seed1`" in text


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
    places = [[run.place for run in table.runs] for table in tables.values()]
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


def test_other_than_base(tmp_path):
    """What all runs have in place of base.yaml's, and how one was started."""
    recipe = make_recipe(tmp_path)
    make_folds(tmp_path / "out", "lora", [0.5, 0.6, 0.7])
    bases, of_methods = defaults(recipe)
    text = text_of(tmp_path / "out", bases=bases, of_methods=of_methods)
    assert "Other than in base.yaml: epochs 3. " in text
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


def test_readme(tmp_path, capsys):
    """The command: what is printed is what is between the markers."""
    recipe = make_recipe(tmp_path, MARKED)
    make_folds(recipe / "results", "lora", [0.5, 0.6, 0.7])
    make_folds(recipe / "results", "linear", [0.3, 0.2])
    main([str(recipe)])
    printed = capsys.readouterr().out
    text = (recipe / "README.md").read_text()
    start, _, rest = text.partition("<!-- report -->")
    block, _, end = rest.partition("<!-- /report -->")
    assert start == "# Title\n" and end == "\nend\n"
    assert block.strip() in printed and "README.md is updated" in printed
    assert "linear: incomplete" in block
    links = re.findall(r"\]\((report/.*?\.png)\)", block)
    assert len(links) == 3
    for link in links:
        assert (recipe / link).read_bytes()[1:4] == b"PNG"
    main([str(recipe)])
    assert (recipe / "README.md").read_text() == text
    assert "README.md is up to date" in capsys.readouterr().out
    assert not list(recipe.rglob("*.part"))


def test_readme_by_dataset(tmp_path, capsys):
    """Each data set has its place; one without results stays as it is."""
    marks = "<!-- report {} -->\nold {}\n<!-- /report -->\n"
    names = ("ESC-50", "ESC-10", "ESC-5")
    recipe = make_recipe(tmp_path, "".join(marks.format(n, n) for n in names))
    for name in ("ESC-10", "ESC-50", "ESC-2"):
        make_run(recipe / "results", dataset=name, place=name, history=[])
    main([str(recipe)])
    text = (recipe / "README.md").read_text()
    parts = re.findall(r"<!-- report (\S+) -->(.*?)<!-- /report", text, re.S)
    assert [name for name, _ in parts] == list(names)
    assert "**ESC-50," in parts[0][1] and "**ESC-10," not in parts[0][1]
    assert "**ESC-10," in parts[1][1] and "old ESC" not in parts[1][1]
    assert parts[2][1] == "\nold ESC-5\n"
    printed = capsys.readouterr().out
    assert "no results of ESC-5, left as it was" in printed
    assert "has no `<!-- report ESC-2 -->`" in printed


def test_readme_without_markers(tmp_path, capsys):
    """Is left alone, and what to add is told."""
    recipe = make_recipe(tmp_path)
    make_run(recipe / "results", history=[])
    main([str(recipe)])
    assert (recipe / "README.md").read_text() == "# Title\n"
    printed = capsys.readouterr().out
    assert "add the lines `<!-- report -->`" in printed and "| lora" in printed


@pytest.mark.parametrize(
    "readme",
    [
        "<!-- report -->\n",
        "<!-- report -->\n<!-- report -->\n<!-- /report -->\n",
        "<!-- /report -->\n<!-- report -->\n",
    ],
)
def test_readme_with_half_a_pair(tmp_path, readme):
    """Is refused, not guessed at."""
    recipe = make_recipe(tmp_path, readme)
    make_run(recipe / "results", history=[])
    with pytest.raises(InputError, match="no pairs"):
        main([str(recipe)])
    assert (recipe / "README.md").read_text() == readme


def test_nothing_to_report(tmp_path):
    """No folder, or nothing but broken results."""
    recipe = make_recipe(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        main([str(recipe)])
    folder = make_run(recipe / "results")
    (folder / "result.json").write_text("{")
    with pytest.raises(InputError, match="lora/fold1_seed1.*result.json"):
        main([str(recipe)])
    with pytest.raises(InputError, match="is no recipe"):
        main([str(tmp_path)])


def test_a_result_of_the_brain(tmp_path, esc50):
    """What a real run leaves is what a report reads."""
    from tiny_runs import train

    train("ESC50", esc50, tmp_path / "run", "--epochs=1", "--esc10=True")
    (table,) = tables_of(tmp_path).values()
    assert table.title == "ESC-10, encoder AST, protocol 3-1-1"
    (row,) = table.rows
    stored = json.loads((tmp_path / "run/result.json").read_text())
    assert row.name == "lora" and row.complete == 5
    assert row.statistics("accuracy") == (stored["metrics"]["accuracy"], None)


def test_without_scikit_learn(monkeypatch):
    """t-SNE names the command that installs what it needs."""
    from speechbrain_petl.plots import draw_embeddings

    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(InputError, match="pip install 'scikit-learn"):
        draw_embeddings(numpy.eye(8), list("aabbccdd"), "x.png", "title")
