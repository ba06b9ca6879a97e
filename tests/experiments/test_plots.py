"""Pictures: what is drawn is what was given."""

import importlib
import re
from pathlib import Path

import numpy
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from result_trees import make_run
from speechbrain_petl.errors import InputError
from speechbrain_petl.experiments.plots import (
    draw_confusion,
    draw_curves,
    draw_embeddings,
    draw_encoders,
    draw_shots,
    draw_tradeoff,
)
from speechbrain_petl.experiments.report.groups import make_tables
from speechbrain_petl.experiments.report.pictures import draw_all
from speechbrain_petl.experiments.report.runs import find_runs

MODULES = ("confusion", "curves", "embeddings", "encoders", "tradeoff")


@pytest.fixture
def drawn(monkeypatch):
    """path -> figure, which nobody writes."""
    figures = {}
    for name in MODULES:
        module = importlib.import_module(
            f"speechbrain_petl.experiments.plots.{name}"
        )
        keep = lambda figure, path: figures.update({str(path): figure})  # noqa: E731
        monkeypatch.setattr(module, "save", keep)
    return figures


def predictions(path, pairs, classes):
    """A predictions.csv of (true, predicted)."""
    heads = ",".join(f"p({name})" for name in classes)
    rows = [
        f"{i},{true},{guess}{',0' * len(classes)}\n"
        for i, (true, guess) in enumerate(pairs)
    ]
    path.write_text(f"id,label,predicted,{heads}\n{''.join(rows)}")
    return path


def test_confusion_over_folds(tmp_path, drawn):
    """Counts are summed, colours are shares of the true class."""
    classes = ("cat", "dog", "NA")
    one = [("cat", "cat"), ("cat", "dog"), ("dog", "dog")]
    two = [("cat", "cat"), ("dog", "NA"), ("cat", "cat")]
    files = [
        predictions(tmp_path / "1.csv", one, classes),
        predictions(tmp_path / "2.csv", two, classes),
    ]
    assert draw_confusion(files, "x.png", "title") == ""
    axes = drawn["x.png"].axes[0]
    counts = [int(text.get_text()) for text in axes.texts]
    assert counts == [3, 1, 0, 0, 1, 1, 0, 0, 0]
    shares = axes.images[0].get_array()
    assert numpy.allclose(shares, [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 0]])
    assert [t.get_text() for t in axes.get_yticklabels()] == list(classes)


def test_confusion_of_many_classes(tmp_path, drawn):
    """Without counts from 21 on, and not at all from 61 on."""
    for count, texts in ((20, 400), (21, 0), (60, 0)):
        names = [f"c{i}" for i in range(count)]
        file = predictions(tmp_path / "a.csv", [("c0", "c1")], names)
        assert draw_confusion(file, f"{count}.png") == ""
        assert len(drawn[f"{count}.png"].axes[0].texts) == texts
    names = [f"c{i}" for i in range(61)]
    file = predictions(tmp_path / "a.csv", [("c0", "c1")], names)
    assert "61 classes are too many" in draw_confusion(file, "61.png")
    assert "61.png" not in drawn


def test_confusion_of_several_labels(tmp_path, drawn):
    """A clip with two labels is in no row of the matrix."""
    file = predictions(tmp_path / "a.csv", [("a|b", "a")], ["a", "b"])
    assert "several labels" in draw_confusion(file, "x.png")
    assert not drawn


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'id\n"a'])
def test_confusion_of_a_broken_file(tmp_path, drawn, content):
    """Is left out, and the file named; the report goes on."""
    (tmp_path / "a.csv").write_bytes(content)
    words = draw_confusion(tmp_path / "a.csv", "x.png")
    assert words.startswith(f"no confusion matrix: {tmp_path}/a.csv cannot be")
    assert not drawn


def test_learning_curves(drawn):
    """Means and bands over the runs that have the epoch and a number."""
    values = {1: [0.1, 0.2, 0.6], 2: [0.3, None, 0.5], 3: [0.7]}
    runs = [
        [
            {"epoch": e, "train": {"loss": 1.0}, "valid": {"UA": v[run]}}
            for e, v in values.items()
            if run < len(v)
        ]
        for run in range(3)
    ]
    draw_curves({"lora": runs, "full": runs[:1]}, "UA", "x.png", "t", 100)
    panels = {axes.get_title(): axes for axes in drawn["x.png"].axes}
    assert list(panels) == ["train: loss", "valid: UA, %"]
    lora, full = panels["valid: UA, %"].get_lines()
    assert lora.get_xdata().tolist() == [1, 2, 3]
    assert numpy.allclose(lora.get_ydata(), [30, 40, 70])
    assert numpy.allclose(full.get_ydata(), [10, 30, 70])
    assert lora.get_color() != full.get_color()
    band = panels["valid: UA, %"].collections[0].get_paths()[0].vertices
    low = 30 - numpy.std([10, 20, 60], ddof=1)
    assert numpy.isclose(band[band[:, 0] == 1][:, 1].min(), low)
    (legend,) = drawn["x.png"].legends
    assert [t.get_text() for t in legend.get_texts()] == ["lora", "full"]


def test_learning_without_validation(drawn):
    """Panels of a stage that the run did not have are left out."""
    run = [{"epoch": 1, "train": {"loss": 1.0, "accuracy": 0.5}}]
    draw_curves({"lora": [run]}, "accuracy", "x.png", "title")
    titles = [axes.get_title() for axes in drawn["x.png"].axes]
    assert titles == ["train: loss", "train: accuracy"]


def test_few_shot_curves(drawn):
    """A line per method on a logarithmic axis, all clips as a level."""
    points = [(1, 30.0, 2.0), (4, 50.0, 1.0), (16, 60.0, float("nan"))]
    curves = {"lora": points, "linear": points[:2]}
    draw_shots(curves, {"linear": 70.0}, "accuracy, %", "x.png", "title")
    (axes,) = drawn["x.png"].axes
    lora, linear, level = axes.get_lines()
    assert axes.get_xscale() == "log"
    assert lora.get_ydata().tolist() == [30, 50, 60]
    assert linear.get_xdata().tolist() == [1, 4]
    assert set(level.get_ydata()) == {70}
    assert level.get_color() == linear.get_color() != lora.get_color()


def test_tradeoff(drawn):
    """A dot with its deviation, and labels that do not lie on each other."""
    points = [(f"method_{i}", 10000 + 300 * i, 60 + i % 3, 2) for i in range(9)]
    points.append(("alone", 100, 50.0, None))
    draw_tradeoff(points, "x.png", "title", "accuracy, %")
    (axes,) = drawn["x.png"].axes
    found = [
        (int(x), y, (high - low) / 2)
        for bars in axes.containers
        for (x, y), (low, high) in [
            (
                bars[0].get_xydata()[0],
                bars[2][0].get_segments()[0][:, 1] if bars[2] else (0, 0),
            )
        ]
    ]
    assert found == [(x, y, d or 0) for _, x, y, d in points]
    labels = [a for a in axes.texts if isinstance(a, Annotation)]
    labels = [a for a in labels if a.get_text()]
    assert [a.get_text() for a in labels] == [point[0] for point in points]
    boxes = [label.get_window_extent() for label in labels]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert axes.bbox.count_contains(box.corners()) == 4


def test_no_two_of_many_look_alike(drawn):
    """Encoders and methods, as many as a recipe has; the legend is whole."""
    costs = {"parameters": 9000, "seconds": 8.0, "memory": 300}
    points = [
        {"encoder": f"e{e}", "method": f"m{m}", **costs}
        | {"mean": float(m), "deviation": None}
        for e in range(14)
        for m in range(40)
    ]
    draw_encoders(points, "many.png", "made up", "accuracy, %")
    figure = drawn["many.png"]
    for axes in figure.axes:
        lines = [c.lines[0] for c in axes.containers]
        looks = {(x.get_color(), x.get_marker()) for x in lines}
        assert len(looks) == len(lines) == len(points)
    figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 54
    assert legend.get_window_extent().y0 >= 0


def test_titles_are_not_cut_off(tmp_path, drawn):
    """However long, and however small the picture."""
    title = "IEMOCAP, encoder wav2vec2_base (incomplete, see the table)"
    names = [f"emotion {i}" for i in range(4)]
    file = predictions(tmp_path / "a.csv", [(n, n) for n in names], names)
    draw_confusion(file, "a.png", f"{title}: conformer, 10 runs")
    points = [("lora", 100, 50.0, None), ("linear", 10, 40.0, None)]
    draw_tradeoff(points, "b.png", 2 * title, "accuracy, %")
    draw_shots({"lora": [(1, 1, 1), (2, 2, 2)]}, {}, "m", "c.png", 2 * title)
    draw_curves({}, "accuracy", "d.png", 2 * title)
    draw_embeddings(numpy.eye(8), list("aabbccdd"), "e.png", 2 * title)
    for figure in drawn.values():
        figure.draw_without_rendering()
        (text,) = figure.texts
        box = text.get_window_extent()
        assert figure.bbox.count_contains(box.corners()) == 4
        assert not any(box.overlaps(axes.bbox) for axes in figure.axes)
    assert len(drawn) == 5


def test_embeddings(drawn):
    """Each clip is a dot of its class; the same seed, the same picture."""
    random = numpy.random.RandomState(0)
    centres = random.randn(12, 16) * 20
    labels = [f"class {i % 12:02}" for i in range(96)]
    clips = numpy.stack([centres[i % 12] for i in range(96)])
    clips += random.randn(*clips.shape)
    for path in ("x.png", "y.png"):
        draw_embeddings(clips, labels, path, "title")
    dots = [
        numpy.asarray(group.get_offsets())
        for group in drawn["x.png"].axes[0].collections
    ]
    assert [len(group) for group in dots] == [8] * 12
    spread = [group.std(axis=0).max() for group in dots]
    middles = numpy.stack([group.mean(axis=0) for group in dots])
    gaps = numpy.linalg.norm(middles[:, None] - middles, axis=-1)
    assert gaps[~numpy.eye(12, dtype=bool)].min() > max(spread)
    styles = {
        (tuple(g.get_facecolor()[0]), len(g.get_paths()[0].vertices))
        for g in drawn["x.png"].axes[0].collections
    }
    assert len(styles) == 12  # more classes than colours
    again = drawn["y.png"].axes[0].collections[0].get_offsets()
    assert numpy.array_equal(dots[0], again)


def test_embeddings_of_too_few(drawn):
    """t-SNE of three clips says nothing."""
    with pytest.raises(InputError, match="3 clips"):
        draw_embeddings(numpy.eye(3), ["a", "b", "c"], "x.png", "title")


def test_pictures_of_a_table(tmp_path, drawn):
    """Which there are, of which rows, with which figures."""
    for method, fold, accuracy in (
        ("lora", 1, 0.5),
        ("lora", 2, 0.7),
        ("lora", 3, 0.6),
        ("full", 1, 0.9),
    ):
        metrics = {"accuracy": accuracy}
        make_run(tmp_path, method, fold, metrics=metrics)
        for shots in (1, 4):
            metrics = {"accuracy": accuracy / shots}
            place = f"shots{shots}/{method}{fold}"
            changes = {"place": place, "shots": shots, "metrics": metrics}
            make_run(tmp_path, method, fold, **changes)
    (table,) = make_tables(*find_runs(tmp_path))
    pictures, words = draw_all(table, tmp_path)
    kinds = [re.search(r"_([a-z]+)\.png", path)[1] for path, _ in pictures]
    assert kinds == ["tradeoff", "learning", "shots", "confusion"]
    assert words == [] and set(drawn) == {path for path, _ in pictures}
    tradeoff, _, shots, confusion = (drawn[path] for path, _ in pictures)
    dots = [bars[0].get_ydata()[0] for bars in tradeoff.axes[0].containers]
    assert numpy.allclose(dots, [90, 60])
    for picture in (tradeoff, shots):
        assert "incomplete" in picture.get_suptitle()
    assert len(shots.axes[0].get_lines()) == 4
    # the best method whose folds are complete; two clips in each
    assert confusion.get_suptitle().endswith("lora, 3 runs")
    assert sum(int(t.get_text()) for t in confusion.axes[0].texts) == 6


def test_pictures_left_out(tmp_path, drawn):
    """Without predictions there is no matrix, and that is told."""
    folder = make_run(tmp_path, history=[])
    (folder / "predictions.csv").unlink()
    (table,) = make_tables(*find_runs(tmp_path))
    pictures, (word,) = draw_all(table, tmp_path)
    assert pictures == []
    assert "no confusion matrix of lora: `lora/fold1_seed1`" in word


NAME = r"$\frac{$"


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: draw_tradeoff([(NAME, 10, 60.0, 2)], path, NAME, "y"),
        lambda path: draw_shots({NAME: [(1, 3.0, 1.0)]}, {}, "y", path, NAME),
        lambda path: draw_confusion(
            predictions(path.parent / "a.csv", [(NAME, NAME)], [NAME]), path
        ),
        lambda path: draw_embeddings(
            numpy.random.rand(8, 4), [NAME, "b"] * 4, path, NAME
        ),
        lambda path: draw_curves(
            {NAME: [[{"epoch": 1, "train": {"loss": 1.0}}]]}, "y", path, NAME
        ),
    ],
    ids=["tradeoff", "shots", "confusion", "embeddings", "curves"],
)
def test_a_name_is_no_formula(draw, tmp_path):
    """Whatever a method or a class is called, it is written as it is."""
    draw(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size


def test_a_dollar_is_a_dollar_and_a_power_a_power(tmp_path, monkeypatch):
    """A name begins no formula; the numbers at a log axis are formulas."""
    shown = []

    def keep(figure, file, **kwargs):
        Path(file).touch()
        shown.extend(figure.findobj(Text))

    monkeypatch.setattr(Figure, "savefig", keep)
    points = [("$x", 10, 1.0, None), ("b$", 1000, 2.0, 0.5)]
    draw_tradeoff(points, tmp_path / "a.png", "$y", "accuracy")
    texts = {text.get_text(): text.get_parse_math() for text in shown}
    assert {r"\$x", r"b\$", r"\$y"} <= set(texts)
    assert texts[r"$\mathdefault{10^{2}}$"] and all(texts.values())
