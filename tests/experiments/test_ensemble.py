"""sbpetl ensemble: the mean and the vote of runs, for classes, tags and texts."""

import re

import numpy as np
import pandas
import pytest
from result_trees import make_run
from speechbrain_petl import InputError
from speechbrain_petl.experiments.ensemble import ensemble, main
from speechbrain_petl.experiments.rating import rated
from speechbrain_petl.training.predictions import predicted

IDS = [f"clip{i}" for i in range(30)]
NAMES = ["cat", "dog", "owl"]


def table_of(logits, labels, names=NAMES, tags=False):
    p = 1 / (1 + np.exp(-logits))
    if not tags:
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    how = "sigmoid" if tags else "softmax"
    said = [predicted(row, names, how) for row in p.tolist()]
    rows = pandas.DataFrame({"id": IDS, "label": labels, "predicted": said})
    return rows.join(pandas.DataFrame(p, columns=[f"p({n})" for n in names]))


def noisy(seed, truth):
    """Right on the average."""
    return np.random.default_rng(seed).normal(size=truth.shape) + truth


def test_mean_and_votes_beat_the_runs(tmp_path, capsys):
    true = np.arange(30) % 3
    truth, labels = np.eye(3)[true], [NAMES[i] for i in true]
    paths = []
    for seed in range(9):
        paths.append(tmp_path / f"{seed}.csv")
        table = table_of(noisy(seed, truth), labels).sample(
            frac=1, random_state=seed
        )
        table.to_csv(paths[-1], index=False)
    out = tmp_path / "all.csv"
    for more in ([], ["--vote"]):
        main([*map(str, paths), f"--csv={out}", *more])
        printed = capsys.readouterr().out
        values = [float(x) for x in re.findall(r"accuracy ([\d.]+)", printed)]
        assert len(values) == 10 and values[-1] > np.mean(values[:-1])
        written = pandas.read_csv(out)
        assert (
            written["label"] == written["predicted"]
        ).mean() == pytest.approx(values[-1], abs=1e-4)


def test_votes_count_predictions():
    """Two of three, though the third is surer."""
    logits = [
        np.tile(x, (30, 1)) for x in ([1, 0.9, 0], [1, 0.9, 0], [0, 9, 0])
    ]
    tables = [table_of(np.array(x, float), ["cat"] * 30) for x in logits]
    assert set(ensemble(tables)["predicted"]) == {"dog"}
    assert set(ensemble(tables, vote=True)["predicted"]) == {"cat"}


def test_tags_are_rated_by_map():
    hits = np.random.default_rng(0).random((30, 3)) < 0.5
    hits[:, 0] |= ~hits.any(1)
    labels = ["|".join(n for n, h in zip(NAMES, row) if h) for row in hits]
    tables = [table_of(noisy(s, 2 * hits), labels, tags=True) for s in range(5)]
    alone = [rated(table)["mAP"] for table in tables]
    assert rated(ensemble(tables))["mAP"] > np.mean(alone)


@pytest.mark.parametrize("vote", [False, True])
def test_tags_are_all_that_are_likely(vote):
    """Not the first alone; and each has its own votes."""
    logits = [
        np.tile(x, (30, 1)) for x in ([2.0, 1, -3], [1, -2, -1], [3, 2, -9])
    ]
    tables = [table_of(x, ["cat|dog"] * 30, tags=True) for x in logits]
    assert [set(t["predicted"]) for t in tables] == [
        *({"cat|dog"}, {"cat"}, {"cat|dog"})
    ]
    joined = ensemble(tables, vote=vote)
    assert set(joined["predicted"]) == {"cat|dog"}
    assert joined[["p(cat)", "p(dog)", "p(owl)"]].max().max() <= 1


def test_tags_with_one_label_each_are_tags():
    """A data set whose test clips happen to have no two."""
    hits = np.eye(3)[np.arange(30) % 3]
    labels = [NAMES[i] for i in hits.argmax(1)]
    table = table_of(noisy(0, 2 * hits), labels, tags=True)
    assert set(rated(table)) == {"mAP"}
    assert set(rated(table_of(noisy(0, 2 * hits), labels))) == {"accuracy"}


def test_classes_in_another_order():
    truth, labels = (
        np.eye(3)[np.arange(30) % 3],
        [NAMES[i % 3] for i in range(30)],
    )
    first, second = (table_of(noisy(seed, truth), labels) for seed in (0, 1))
    turned = second[["id", "label", "predicted", "p(owl)", "p(cat)", "p(dog)"]]
    pandas.testing.assert_frame_equal(
        ensemble([first, turned]), ensemble([first, second])
    )
    fewer = second.drop(columns="p(owl)")
    with pytest.raises(InputError, match="other classes"):
        ensemble([first, fewer])


def test_classes_that_look_like_numbers(tmp_path, capsys):
    """007 is no 7: votes count what was predicted."""
    names, labels = ["007", "7", "NA"], ["007"] * 30
    for seed in range(3):
        logits = noisy(seed, np.tile([3.0, 0, 0], (30, 1)))
        table = table_of(logits, labels, names)
        table.to_csv(tmp_path / f"{seed}.csv", index=False)
    paths = [str(tmp_path / f"{seed}.csv") for seed in range(3)]
    out = str(tmp_path / "all.csv")
    main([*paths, "--vote", "--csv", out])
    written = pandas.read_csv(out, dtype=str, keep_default_na=False)
    assert written["p(007)"].astype(float).mean() > 0.6
    assert (written["predicted"] == "007").mean() > 0.9


def test_texts_are_voted_on():
    """The commonest; or of as many, the one that is nearest to all."""
    texts = [
        ["on light", "on light", "off light"],
        ["", "b", "b"],
        ["turn it of", "turn the off", "turn it off"],
    ]
    labels = ["on light", "b", "turn it off now"]
    tables = [
        pandas.DataFrame(
            {"id": ["1", "2", "3"], "label": labels, "predicted": x}
        )
        for x in zip(*texts)
    ]
    joined = ensemble(tables)
    assert joined["predicted"].tolist() == ["on light", "b", "turn it off"]
    assert rated(joined) == {"accuracy": 2 / 3, "WER": 1 / 7}
    # a word left out, and "of now" wrong
    assert rated(tables[0]) == {"accuracy": 1 / 3, "WER": 3 / 7}


def test_tags_and_classes_have_no_mean():
    classes = table_of(np.zeros((30, 3)), ["cat"] * 30)
    tags = table_of(np.ones((30, 3)), ["cat"] * 30, tags=True)
    with pytest.raises(InputError, match="or tags and classes"):
        ensemble([classes, tags])


def test_labels_of_a_clip_in_another_order():
    """As where the classes are: what each run counts from 0 is its own."""
    logits = np.tile([2.0, 1.0, -3.0], (30, 1))
    first = table_of(logits, ["cat|dog"] * 30, tags=True)
    other = table_of(
        logits[:, [1, 0, 2]], ["dog|cat"] * 30, ["dog", "cat", "owl"], tags=True
    )
    assert set(ensemble([first, other])["predicted"]) == {"cat|dog"}


@pytest.mark.parametrize("cell", [np.nan, np.inf, -0.1, 1.1, "x"])
@pytest.mark.parametrize("tags", [False, True])
def test_what_is_no_probability_is_named(tags, cell, tmp_path):
    """As a run writes it whose test has diverged."""
    table = table_of(np.zeros((30, 3)), ["cat"] * 30, tags=tags)
    table.to_csv(tmp_path / "a.csv", index=False)
    table = table.astype({"p(dog)": object})
    table.loc[7, "p(dog)"] = cell
    table.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(
        InputError, match=r"b\.csv: p\(dog\) of clip7 is no prob"
    ):
        main([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")])


def test_other_clips_are_refused(tmp_path):
    tables = [table_of(np.zeros((30, 3)), [n] * 30) for n in ("cat", "dog")]
    with pytest.raises(InputError, match="other test clips"):
        ensemble(tables)
    with pytest.raises(InputError, match="holds no result.json"):
        main([str(tmp_path), str(tmp_path / "b")])
    run = make_run(tmp_path)
    with pytest.raises(InputError, match=f"{run}/../{run.name} is given twi"):
        main([str(run), str(tmp_path), f"{run}/../{run.name}"])
    (run / "predictions.csv").unlink()
    with pytest.raises(InputError, match="cannot be read.*--test_only"):
        main([str(run), str(tmp_path)])


def test_where_a_csv_cannot_be(tmp_path):
    for path, words in (
        ("/nowhere/a.csv", "no such folder"),
        ("/dev/null", "dev"),
    ):
        with pytest.raises(InputError, match=f"--csv={path}.*{words}"):
            main(["a", "b", f"--csv={path}"])
