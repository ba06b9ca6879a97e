"""Names that mean something elsewhere are shown as they are."""

import json
import re

import pytest
from layouts import write_clip
from markup import page_of
from result_trees import make_run, tables_of, text_of
from speechbrain_petl import InputError
from speechbrain_petl.experiments import stats
from speechbrain_petl.experiments.report.pictures import draw_all
from speechbrain_petl.experiments.sweep.axes import axes_of
from speechbrain_petl.experiments.sweep.cells import plan

NAMES = [
    r"$\frac{$",
    "<script>alert(1)</script>",
    "[a](javascript:b)",
    "a | b",
    "# a\n\n---\nb",
]
TICKS = ["`a` ```", "`", "a`b`", "``a` <b>"]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_of_any_name(tmp_path, name):
    """A table of one row more, and its pictures."""
    for fold in (1, 2):
        settings = {"method": json.dumps(name)}
        place = f"a{fold}"
        make_run(tmp_path, name, fold, place=place, settings=settings)
        make_run(tmp_path, "lora", fold)
    text = re.sub("`[^`]*`", "", text_of(tmp_path))  # code is shown as it is
    for raw in ("<script", "](javascript", "\n---\nb"):
        assert raw not in text
    rows = [x for x in text.splitlines() if x.startswith("|")]
    assert len(rows) == 4
    assert len({r.replace(r"\|", "").count("|") for r in rows}) == 1
    for table in tables_of(tmp_path).values():
        assert draw_all(table, tmp_path / "pictures")


@pytest.mark.parametrize("name", TICKS)
def test_backticks_are_no_code(tmp_path, name):
    """In the notes of a table, whose own code has the names of runs."""

    def notes(root, method):
        for fold, lr in ((1, "0.1"), (3, "0.2")):
            settings = {"method": json.dumps(method), "lr": lr}
            make_run(
                root, method, fold, place="a`b" + str(fold), settings=settings
            )
            make_run(root, "lora", fold)
        return page_of(text_of(root))

    elements, words = notes(tmp_path / "a", name)
    wanted, _ = notes(tmp_path / "b", "harmless")
    assert elements == wanted
    assert name.replace("`", "'") in words.replace("`", "'")


def test_a_manifest_of_no_clips(tmp_path):
    path = tmp_path / "train.json"
    write_clip(tmp_path / "a.wav", 1)
    for entries, words in (
        ({}, "lists no sound"),
        ({"a": {"label": "b"}}, 'no "wav"'),
        ({"a": 3}, 'no "wav"'),
        ([1], "is no manifest"),
    ):
        path.write_text(json.dumps(entries))
        with pytest.raises(InputError, match=words):
            stats.statistics(path)
    path.write_text(json.dumps({"a": {"wav": str(tmp_path / "a.wav")}}))
    for mels in (0, -1):
        with pytest.raises(InputError, match=f"--mels={mels}: give a whole"):
            stats.statistics(path, mels)


def test_a_sweep_of_too_many_runs():
    """Said at once: each run is checked before the first one starts."""
    with pytest.raises(InputError, match="which is more than 1000"):
        axes_of(seeds="99999999")
    axes = {"seed": range(10_000), "fold": range(10)}
    with pytest.raises(InputError, match="these are 100000 runs"):
        plan(["lora"], axes, [])
