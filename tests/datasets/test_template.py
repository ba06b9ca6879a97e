"""The template: own data without code, the demonstration, a recipe from it."""

import json
import shutil
import sys

import pandas
import pytest
from finished_runs import clips_of_test
from labelled_sounds import (
    as_ast_json,
    as_audiofolder,
    as_csv,
    as_folders,
    make_labelled_sounds,
    write_table,
)
from method_files import ROOT
from running import load_train, run_elsewhere, torchrun
from speechbrain_petl import InputError
from speechbrain_petl.experiments.sweep.command import main as sweep
from speechbrain_petl.inference.commands.classify import main as classify
from speechbrain_petl.recipe.new import main as new
from speechbrain_petl.training.predictions import PREDICTIONS
from tiny_runs import TINY

TEMPLATE = ROOT / "templates" / "audio_classification"
QUICK = [*TINY, "--frames=20", "--epochs=1"]


def run(data, output, *more, method="lora"):
    """The template on own data, in this process; its result."""
    method = str(TEMPLATE / "hparams" / f"{method}.yaml")
    options = [f"--data_folder={data}", f"--output_folder={output}"]
    load_train(TEMPLATE).main([method, *options, *QUICK, *more])
    return json.loads((output / "result.json").read_text())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Thirty sounds of three classes, as a table."""
    return make_labelled_sounds(tmp_path_factory.mktemp("data"))


def test_every_layout_gives_the_same_result(tmp_path):
    """From the first command to the adapter."""
    results = []
    for write in (as_folders, as_csv, as_audiofolder, as_ast_json):
        data = make_labelled_sounds(tmp_path / write.__name__, write)
        result = run(data, tmp_path / "runs" / write.__name__)
        results.append((result["metrics"], result["history"]))
    assert all(result == results[0] for result in results)
    assert set(results[0][0]) == {"loss", "accuracy", "UAR"}


def make_tags(folder):
    """Thirty sounds with two labels each."""
    data = make_labelled_sounds(folder, as_folders)
    names = sorted(p.relative_to(data) for p in data.rglob("*.wav"))
    table = [
        (n, f"{n.parts[0]};{'odd' if i % 2 else 'even'}")
        for i, n in enumerate(names)
    ]
    write_table(data / "clips.csv", ["path", "labels"], table)
    return data


def test_tagging(tmp_path, capsys):
    """Several labels in a cell: mAP, and probabilities of their own."""
    result = run(make_tags(tmp_path), tmp_path / "run", "--tagging=True")
    assert set(result["metrics"]) == {"loss", "mAP"}
    assert result["select"] == "mAP" and 0 <= result["metrics"]["mAP"] <= 1
    table = pandas.read_csv(tmp_path / "run" / PREDICTIONS).fillna("")
    clips = clips_of_test(tmp_path / "run")
    assert set(table["id"]) == set(clips) and len(clips) == 6
    for name, truth in zip(table["id"], table["label"]):
        assert set(truth.split("|")) < {"cat", "dog", "owl", "odd", "even"}
        assert clips[name].split("/")[-2] in truth.split("|")
    columns = [c for c in table if c.startswith("p(")]
    for said, *row in table[["predicted", *columns]].values:
        tags = [c[2:-1] for c, p in zip(columns, row) if p >= 0.5]
        assert said == "|".join(tags)
    assert table["predicted"].ne("").any()
    files, out = [clips[name] for name in table["id"]], tmp_path / "out.csv"
    classify([str(tmp_path / "run"), *files, f"--csv={out}", "--device=cpu"])
    ours = pandas.read_csv(out).fillna("")
    assert list(ours["predicted"]) == list(table["predicted"])
    assert (ours[columns] - table[columns]).abs().max(axis=None) < 2e-6
    capsys.readouterr()


@pytest.mark.slow
def test_two_processes_tag_as_one(tmp_path):
    """torchrun: the same figures and the same rows, each once."""
    data = make_tags(tmp_path)
    alone = ["--tagging=True", "--augment={steps: []}"]
    one = run(data, tmp_path / "one", *alone)
    argv = [str(TEMPLATE / "hparams" / "lora.yaml"), f"--data_folder={data}"]
    argv += [f"--output_folder={tmp_path / 'two'}", *QUICK, *alone]
    argv = [a for a in argv if a != "--device=cpu"] + ["--batch_size=4"]
    done = torchrun(argv, TEMPLATE / "train.py")
    assert done.returncode == 0, done.stderr
    two = json.loads((tmp_path / "two" / "result.json").read_text())
    assert two["processes"] == 2
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-4)
    tables = [
        pandas.read_csv(tmp_path / name / PREDICTIONS)
        for name in ("one", "two")
    ]
    pandas.testing.assert_frame_equal(*tables, atol=1e-4)


@pytest.mark.slow
def test_a_sweep_tests_on_every_clip_once(data, tmp_path):
    """--folds=all, of own data without splits."""
    recipe = shutil.copytree(
        TEMPLATE,
        tmp_path / "recipe",
        ignore=shutil.ignore_patterns("results", "__pycache__"),
    )
    options = ["--methods=linear", "--folds=all", f"--data_folder={data}"]
    with pytest.raises(SystemExit) as stop:
        sweep([str(recipe), *options, "--folds=all", *QUICK])
    assert stop.value.code == 0
    results = sorted(recipe.rglob("result.json"))
    assert len(results) == 5
    tested = []
    for fold, path in enumerate(results, start=1):
        assert json.loads(path.read_text())["fold"] == fold
        tested += pandas.read_csv(path.with_name(PREDICTIONS))["id"].tolist()
    assert len(tested) == len(set(tested)) == 30


@pytest.mark.parametrize("how", ["weights", "sampling"])
def test_balance(how, data, tmp_path):
    """A rare class counts as much as another; what there is not is refused."""
    result = run(data, tmp_path / how, f"--balance={how}", "--max_windows=2")
    assert 0 < result["history"][0]["train"]["loss"] < 10
    with pytest.raises(InputError, match="balance=b: give null, sampling or w"):
        run(data, tmp_path / "wrong", "--balance=b")


def test_the_loss_is_an_option(data, tmp_path):
    """As in every recipe: smoothing, or another."""
    smoothing = "--loss={label_smoothing: 1.0}"
    result = run(data, tmp_path / "smooth", smoothing)
    other = run(data, tmp_path / "plain")
    assert result["metrics"]["loss"] != other["metrics"]["loss"]
    other = "--loss=!name:speechbrain_petl.binary_cross_entropy"
    assert run(data, tmp_path / "binary", other)["metrics"]["loss"] < 1


def test_more_shots_than_there_are(data, tmp_path):
    """All are taken, and the log says so."""
    run(data, tmp_path, "--shots=50")
    log = (tmp_path / "log.txt").read_text()
    assert "shots=50: 3 of 3 classes have fewer training clips" in log


def test_a_source_that_is_missing_comes_first(tmp_path):
    """Before thousands of files are checked, with the ways to get one."""
    with pytest.raises(
        InputError, match="source=no.safetensors, .* --source=nu"
    ):
        run("/nowhere", tmp_path, "--source=no.safetensors")


def test_the_last_lines(data, tmp_path):
    """Percentages, and where things are."""
    run(data, tmp_path / "run")
    log = (tmp_path / "run" / "log.txt").read_text()
    last = log.rpartition("the run is finished")[2]
    assert "accuracy" in last and " %" in last
    assert f"written: {tmp_path / 'run' / 'result.json'}, " in last


def test_the_demonstration(tmp_path, monkeypatch):
    """A source model once, then a probe and the method on other sounds."""
    monkeypatch.chdir(tmp_path)
    train = load_train(TEMPLATE)
    clips = {"train": 2, "valid": 1, "test": 1}
    demonstration = sys.modules["demonstration"]
    monkeypatch.setattr(
        demonstration, "CLIPS", {"source": clips, "target": clips}
    )
    argv = [str(TEMPLATE / "hparams" / "lora.yaml"), *QUICK]
    argv.remove("--source=null")
    results = train.main(argv)
    assert [result["method"] for result in results] == ["linear", "lora"]
    assert (tmp_path / "results" / "source_model.safetensors").is_file()
    assert {p.name for p in (tmp_path / "results").iterdir()} == {
        *("sounds", "source", "target", "source_model.safetensors"),
    }


def test_a_new_recipe(tmp_path, capsys):
    """Its names are filled in, and its own test passes."""
    new([str(tmp_path / "birds")])
    assert f"cd {tmp_path / 'birds'}" in capsys.readouterr().out
    base = (tmp_path / "birds" / "hparams" / "base.yaml").read_text()
    assert "dataset: birds #" in base and "copy-me" not in base
    done = run_elsewhere(
        ["-q", "-p", "no:cacheprovider", "test_recipe.py"],
        launcher=(sys.executable, "-m", "pytest"),
        program="--tb=short",
        cwd=tmp_path / "birds",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.raises(InputError, match="birds is there already"):
        new([str(tmp_path / "birds")])
    with pytest.raises(InputError, match="my birds is no name for a recipe"):
        new([str(tmp_path / "my birds")])
