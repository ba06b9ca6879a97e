"""Hyper-parameters: only validation is asked, and processes share a study."""

import json
import multiprocessing
import os
import re
import signal
import sys

import optuna
import pytest
from running import run
from speechbrain_petl import InputError, run_main
from speechbrain_petl.experiments.search import (
    command as search,
    study as studies,
    trials,
)
from speechbrain_petl.experiments.search.ranges import parse_range
from test_sweep import wait_for
from toy_recipe import make_recipe

LR = "--range=lr=0.01:1:log"


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A light recipe whose validation is best at lr 0.3; the test at 0.01."""
    monkeypatch.chdir(tmp_path)  # where the data base goes
    return make_recipe(tmp_path / "recipe", ["lora", "broken"])


def command(recipe, *options, method="lora"):
    """A command line with a study in the working directory."""
    path = recipe / "hparams" / f"{method}.yaml"
    return [str(path), "--study=sqlite:///a.db", *options]


def study(name="recipe-lora"):
    """What the data base holds."""
    return optuna.load_study(study_name=name, storage="sqlite:///a.db")


def test_search(recipe, capsys):
    search.main(command(recipe, "--trials=2", LR, "--range=batch_size=8,16"))
    found = study().trials
    assert len(found) == 2
    for trial in found:
        lr, size = trial.params["lr"], trial.params["batch_size"]
        folders = recipe.glob(f"search/recipe-lora/lr={lr}_batch_size={size}_*")
        (folder,) = folders
        result = json.loads((folder / "result.json").read_text())
        assert float(result["options"]["lr"]) == lr
        assert result["options"]["batch_size"] == trial.params["batch_size"]
        assert result["options"]["brain"] == "{test_on: valid}"
        assert trial.value == pytest.approx(1 - abs(lr - 0.3))
    best = max(found, key=lambda t: t.value)
    out = capsys.readouterr().out
    assert f"Best of 2 trials (0 failed): trial {best.number}, accuracy" in out
    lr, size = best.params["lr"], best.params["batch_size"]
    assert out.splitlines()[-1] == (
        f"cd {recipe} && python train.py hparams/lora.yaml "
        f"--lr={lr} --batch_size={size}"
    )
    # again, with more trials: it goes on
    search.main(command(recipe, "--trials=3", LR, "--range=batch_size=8,16"))
    assert len(study().trials) == 3


def test_lists_of_values_are_a_grid(recipe):
    values = "--range=lr=0.1,0.2,0.3,0.9"
    for number in "13":  # in two goes, as another process would
        search.main(command(recipe, f"--trials={number}", values))
    search.main(command(recipe, "--trials=4", values))
    tried = sorted(trial.params["lr"] for trial in study().trials)
    assert tried == ["0.1", "0.2", "0.3", "0.9"]


def test_what_was_tried_is_not_run_again(recipe):
    search.main(command(recipe, "--trials=3", "--range=lr=0.1,0.2"))
    folder = recipe / "search" / "recipe-lora"
    assert len(study().trials) == 3
    assert len(list(folder.iterdir())) == len(
        {trial.params["lr"] for trial in study().trials}
    )


def test_a_study_anew_has_its_own_results(recipe, tmp_path):
    """Of another data base, of the same name: what stands in the folder."""
    for values in ("0.1,0.2", "0.2,0.9"):
        (tmp_path / "a.db").unlink(missing_ok=True)
        argv = command(recipe, "--trials=2", f"--range=lr={values}")
        search.main(argv)
        for trial in study().trials:
            score = 1 - abs(float(trial.params["lr"]) - 0.3)
            assert trial.value == pytest.approx(score)
    assert len(list(recipe.glob("search/*/*"))) == 3  # 0.2 is not run again


def test_an_edited_method_is_another(recipe, tmp_path):
    """A study of before is refused; a new one takes none of its runs."""
    argv = command(recipe, "--trials=1", "--range=lr=0.1,0.2")
    search.main(argv)
    base = recipe / "hparams" / "base.yaml"
    base.write_text(base.read_text().replace("batch_size: 8", "batch_size: 4"))
    with pytest.raises(InputError, match="changed .batch_size.: .* --name"):
        search.main(argv)
    (tmp_path / "a.db").unlink()
    search.main(argv)
    assert len(list(recipe.glob("search/*/*"))) == 2


@pytest.mark.parametrize(
    "line, other, words",
    [
        ('"select": "accuracy"', '"select": None', "selects no epoch"),
        ("valid = ", "valid = float('nan') * ", "accuracy .* is no number"),
    ],
)
def test_runs_without_a_score_have_failed(recipe, line, other, words):
    path = recipe / "train.py"
    path.write_text(path.read_text().replace(line, other))
    with pytest.raises(InputError, match="all 1 trials failed"):
        search.main(command(recipe, "--trials=1", LR))
    assert re.search(words, study().trials[0].user_attrs["failed"])


def test_failed_trials_keep_the_last_lines(recipe, capsys):
    with pytest.raises(InputError, match="all 1 trials failed"):
        search.main(command(recipe, "--trials=1", LR, method="broken"))
    (trial,) = study("recipe-broken").trials
    assert trial.state == optuna.trial.TrialState.FAIL
    assert "exit code 1" in trial.user_attrs["failed"]
    assert "error: this method is broken" in trial.user_attrs["failed"]
    captured = capsys.readouterr()
    assert "error: this method is broken" in captured.out + captured.err


@pytest.mark.parametrize(
    "options, words",
    [
        (["--range=lrr=1:2"], "lrr is no key of .* Did you mean lr?"),
        ([LR, "--epoch=1"], "epoch is no key of"),
        (["--range=batch_size=8,big"], "batch_size=big: .* whole number"),
        (["--range=batch_size=1.5:3"], "batch_size=1.5: .* whole number"),
        (["--range=lr=1:fast"], "'fast' is no number"),
        (["--range=lr=2:1"], "LOW less than HIGH"),
        (["--range=lr=0:1:log"], "for log, more than 0"),
        (["--range=lr=1:2:lin"], "write KEY=LOW:HIGH"),
        (["--range=lr"], "write KEY=LOW:HIGH"),
        (["--range=lr=0.1"], "give two or more values"),
        ([LR, "--lr=1"], "--lr is given or the search's own"),
        ([LR, "--range=lr=1,2"], "--lr is given or the search's own"),
        (["--range=result_file=a,b"], "--result_file is given or the search's"),
        ([LR, "--study=nodb://a"], "cannot be opened"),
    ],
)
def test_wrong_commands_start_nothing(recipe, options, words):
    with pytest.raises(InputError) as error:
        search.main(command(recipe, "--trials=1", *options))
    assert re.search(words, str(error.value))
    assert not (recipe / "search").exists()


def test_no_recipe(tmp_path):
    (tmp_path / "lora.yaml").write_text("method: lora")
    with pytest.raises(InputError, match="there is no train.py above it"):
        search.main(
            [str(tmp_path / "lora.yaml"), "--study=s", "--trials=1", LR]
        )


def test_a_study_is_of_one_question(recipe):
    settings = ["hparams/lora.yaml", LR.removeprefix("--range=")]
    ranges = [parse_range(settings[1])]
    studies.open_study("sqlite:///a.db", "recipe-lora", settings, ranges)
    with pytest.raises(InputError, match="was made with .*lr=0.01:1:log"):
        search.main(command(recipe, "--trials=2", "--range=lr=0.1:1"))
    with pytest.raises(InputError, match="was made with .* give another"):
        search.main(command(recipe, "--trials=2", LR, "--seed=3"))


def test_optuna_is_optional(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="pip install 'optuna"):
        search.main(command(recipe, "--trials=1", LR))


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)],
)
def test_stopped(recipe, monkeypatch, number):
    """The trial that was stopped goes on, in a trial of the same values."""
    monkeypatch.setattr(studies, "HEARTBEAT", 1)
    monkeypatch.setattr(studies, "DEAD_AFTER", 2)
    argv = command(recipe, "--trials=2", LR, "--pause=0.7")

    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(sys, "argv", ["sbpetl", *argv])
    process = fork.Process(target=run_main, args=[search.main])
    process.start()
    wait_for(lambda: list(recipe.rglob("steps/0")))
    os.kill(process.pid, number)
    process.join(20)
    stopped = number == signal.SIGINT
    assert process.exitcode == (130 if stopped else -number)
    if not stopped:
        wait_for(lambda: list(recipe.rglob("result.json")))  # train.py's own
    search.main(argv)
    states = [trial.state.name for trial in study().trials]
    assert states.count("COMPLETE") == 2 and states.count("FAIL") == 1
    first, *others = study().trials
    assert first.params in [trial.params for trial in others]
    logs = [path.read_text() for path in recipe.glob("search/*/*/sweep.log")]
    assert [log.count("step 0") for log in logs] == [1, 1]


@pytest.mark.slow
def test_an_option_in_two_words_is_the_same_option(recipe):
    one = command(recipe, "--trials=1", LR, "--batch_size=2", "--fold=1")
    two = command(recipe, "--trials=1", LR, "--batch_size", "2", "--fold", "1")
    search.main([*one, "--device=cpu"])
    search.main([*two, "--device", "cpu"])
    assert len(study().trials) == 1
    other = command(recipe, "--trials=1", LR, "--batch_size", "1", "--fold=2")
    with pytest.raises(InputError, match="was made with"):
        search.main(other)


@pytest.mark.slow
def test_processes_share_a_study(recipe):
    argv = command(recipe, "--trials=6", LR, "--pause=0.1")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=search.main, args=[argv]) for _ in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    values = [trial.params["lr"] for trial in study().trials]
    assert len(values) == 6 and len(set(values)) == len(values)


def test_the_test_set_is_not_looked_at(esc50, tmp_path):
    """The option that every trial is given, on a recipe of ours."""
    result = run(esc50, tmp_path / "a", trials.ON_VALIDATION)
    best = max(epoch["valid"]["accuracy"] for epoch in result["history"])
    assert result["tested_on"] == "valid"
    assert result["metrics"]["accuracy"] == pytest.approx(best)
    with pytest.raises(InputError, match="no clips to validate on"):
        run(esc50, tmp_path / "b", trials.ON_VALIDATION, "--protocol=4-1")


def test_ranges_suggest_what_they_say():
    fixed = optuna.trial.FixedTrial({"lr": 0.02, "epochs": 7, "size": "16"})
    assert parse_range("lr=0.01:1:log").suggest(fixed) == 0.02
    assert parse_range("epochs=5:20").suggest(fixed) == 7
    assert parse_range("size=8,16").suggest(fixed) == "16"
    assert isinstance(parse_range("lr=0:0.1").low, float)
    nested = "a=[[1, 2],[3]],{b: 1, c: 2}, !name:torch.optim.SGD {lr: 1, x: 2}"
    assert parse_range(nested).choices == (
        "[[1, 2],[3]]",
        "{b: 1, c: 2}",
        "!name:torch.optim.SGD {lr: 1, x: 2}",
    )
