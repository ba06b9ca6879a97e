"""One command for many runs: what it starts, skips, goes on with and reports."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from method_files import ROOT
from ruamel.yaml import YAML
from running import ESC50, TINY, load_train
from speechbrain_petl import InputError, run_main
from speechbrain_petl.experiments import sweep as sweep_package
from speechbrain_petl.experiments.sweep import (
    command as sweep,
    ending,
    slurm,
)
from speechbrain_petl.experiments.sweep.job import FAILED, LOG, try_lock
from speechbrain_petl.recipe.method_files import BASE
from toy_recipe import make_recipe


@pytest.fixture
def recipe(tmp_path):
    """A light recipe with two methods."""
    return make_recipe(tmp_path / "recipe")


def run(recipe, *options, code=0):
    """Run a sweep in this process; it must exit with that code."""
    with pytest.raises(SystemExit) as stop:
        sweep.main([str(recipe), *options])
    assert stop.value.code == code


def folders(recipe):
    """Where results are, from the recipe's folder."""
    found = recipe.rglob("result.json")
    return sorted(str(p.parent.relative_to(recipe / "results")) for p in found)


def result(recipe, folder):
    """What a run of the sweep wrote."""
    path = recipe / "results" / folder / "result.json"
    return json.loads(path.read_text())


def log(recipe, folder):
    """What a run of the sweep said."""
    return (recipe / "results" / folder / LOG).read_text()


def refusal(recipe, *options):
    """The one line that a wrong command is answered with."""
    with pytest.raises(InputError) as error:
        sweep.main([str(recipe), *options])
    assert not list(recipe.rglob("result.json"))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_methods_folds_and_seeds(recipe, capsys):
    run(recipe, "--folds=2,3", "--seeds=4,", "--jobs=2", "--lr=0.2")
    assert folders(recipe) == [
        "linear/fold2_seed4",
        "linear/fold3_seed4",
        "lora/fold2_seed4",
        "lora/fold3_seed4",
    ]
    options = result(recipe, "lora/fold3_seed4")["options"]
    assert (options["lr"], options["fold"]) == ("0.2", "3")
    out, err = capsys.readouterr()
    assert "4 of 4 runs are done, 0 failed" in out
    assert "4/4" in err and "2 running, 0 failed, 2 left" in err
    # again: nothing is left to be done
    before = log(recipe, "lora/fold3_seed4")
    run(recipe, "--folds=2,3", "--seeds=4,", "--lr=0.2")
    assert log(recipe, "lora/fold3_seed4") == before


def test_local_jobs_share_the_cores(recipe, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(6))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    run(recipe, "--folds=1,2", "--methods=lora", "--jobs=2", "--pause=0.4")
    found = [result(recipe, f"lora/fold{fold}_seed1") for fold in (1, 2)]
    assert [r["threads"] for r in found] == ["3", "3"]
    assert sorted(r["gpus"] for r in found) == ["4", "7"]


def test_where_linux_is_not(recipe, monkeypatch):
    """What macOS and Windows do not have is not asked for."""
    import filelock  # noqa: F401  its own fcntl is this machine's

    monkeypatch.delattr(os, "sched_getaffinity")
    for name in ("killpg", "fork", "setsid"):
        monkeypatch.delattr(os, name)
    for name in ("SIGKILL", "SIGUSR1", "SIGUSR2"):
        monkeypatch.delattr(signal, name)
    for name in ("fcntl", "submitit"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    run(recipe, "--methods=lora", "--folds=1,2", "--jobs=2")
    assert len(folders(recipe)) == 2
    assert result(recipe, "lora/fold1_seed1")["threads"] == "4"
    folder = recipe / "results" / "lora" / "fold1_seed1"
    with open(folder / LOG) as log, open(folder / LOG) as other:
        with try_lock(log):
            assert try_lock(other) is None
        with try_lock(other):
            assert try_lock(log) is None


def test_a_tree_of_processes_is_ended(tmp_path, monkeypatch):
    """Also what does not listen to SIGTERM, as torchrun's workers may not."""
    monkeypatch.delattr(os, "killpg")
    monkeypatch.setattr(ending, "PATIENCE", 0.3)
    code = (
        "import os, pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if 'child' not in sys.argv:\n"
        "    subprocess.Popen([*sys.orig_argv, 'child'])\n"
        "pathlib.Path(str(os.getpid())).touch()\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=tmp_path)
    wait_for(lambda: len(os.listdir(tmp_path)) == 2)
    ending.end_tree(process)
    assert process.poll() is not None
    pids = [int(path.name) for path in tmp_path.iterdir()]
    wait_for(lambda: not any(map(psutil.pid_exists, pids)))


def test_failed_runs_are_reported_and_retried_on_request(tmp_path, capsys):
    recipe = make_recipe(tmp_path / "recipe", ["broken", "lora"])
    run(recipe, code=1)
    out = capsys.readouterr().out
    assert "1 of 2 runs are done, 1 failed" in out
    assert "broken: exit code 1" in out
    assert "    error: this method is broken" in out and "--retry" in out
    (recipe / "mended").touch()
    run(recipe, code=1)  # not by itself
    assert folders(recipe) == ["lora/fold1_seed1"]
    run(recipe, "--retry")
    assert folders(recipe) == ["broken/fold1_seed1", "lora/fold1_seed1"]


def test_a_run_that_cannot_write_says_so(recipe, capsys):
    log = recipe / "results" / "lora" / "fold1_seed1" / LOG
    log.mkdir(parents=True)
    run(recipe, code=1)
    assert folders(recipe) == ["linear/fold1_seed1"]
    assert f"lora: {log} cannot be written: Is a d" in capsys.readouterr().out


def test_what_is_not_basic_is_in_the_folder(recipe):
    """Shots and protocol, though base.yaml's output_folder lacks them."""
    more = ["--methods=lora", "--protocol=4-1"]
    run(recipe, *more, "--shots=1,null", "--jobs=2")
    assert folders(recipe) == [
        "lora/fold1_seed1_protocol4-1",
        "lora/fold1_seed1_protocol4-1_shots1",
    ]


def test_a_pattern_for_the_folders(recipe, capsys):
    pattern = "--output_folder=!ref here/x_<fold>"
    sweep.main([str(recipe), "--folds=2", pattern, "--dry_run"])
    out = capsys.readouterr().out
    for method in ("linear", "lora"):
        assert f"--output_folder=here/x_2_method{method} " in out


def test_an_option_in_two_words(recipe, capsys):
    """Which is what it would be in one."""
    run(recipe, "--methods=lora", "--lr", "0.2", "--device", "cpu")
    assert result(recipe, "lora/fold1_seed1")["options"]["lr"] == "0.2"
    capsys.readouterr()
    sweep.main([str(recipe), "--methods=lora", "--lr=0.2", "--dry_run"])
    assert capsys.readouterr().out.endswith("lora.yaml --lr=0.2  # done\n")


def test_dry_run(recipe, capsys):
    sweep.main([str(recipe), "--methods=lora", "--shots=5", "--dry_run"])
    assert capsys.readouterr().out.splitlines() == [
        "python train.py hparams/lora.yaml --shots=5 "
        "--output_folder=results/lora/fold1_seed1_shots5  # open"
    ]
    assert not list(recipe.rglob("result.json"))


@pytest.mark.parametrize(
    "options, words",
    [
        (["--lrr=1"], "lrr is no key of .* Did you mean lr?"),
        (["--lr=fast"], "lr=fast: .* give a number"),
        (["--dev=cpu"], "taken for SpeechBrain's --device"),
        (["--folds=4"], "--folds=4: there are folds 1 to 3, or all"),
        (["--folds=one"], "--folds=one: give whole numbers"),
        (["--seeds=0"], "--seeds=0: give whole numbers from 1 on"),
        (["--seeds=99999999", "--dry_run"], "write --seeds=99999999,"),
        (["--seeds=2,2"], "--seeds=2,2: give each value once"),
        (["--seeds=2", "--seed=3"], "--seed and --seeds: give one"),
        (["--methods=lroa"], "no hparams/lroa.yaml. Did you mean lora"),
        (["--gpus=99"], "--gpus=99: this machine has"),
        (["--executor=slurm"], '--executor=slurm: .*"srun"'),
    ],
)
def test_wrong_commands_start_nothing(recipe, options, words):
    assert re.search(words, refusal(recipe, *options))


def test_submitit_is_optional(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    monkeypatch.delitem(sys.modules, slurm.__name__)
    monkeypatch.delattr(sweep_package, "slurm")
    message = refusal(recipe, "--executor=slurm")
    assert message.endswith("pip install speechbrain_petl[slurm]")


BASES = sorted((ROOT / "recipes").rglob(f"hparams/**/{BASE}"))


@pytest.mark.parametrize("base", BASES, ids=lambda p: str(p.parent)[-20:])
def test_every_recipe_says_how_many_folds_there_are(base):
    """As prepare.py knows them, and only if there are folds."""
    tree = YAML().load(base)
    recipe = base.parents[len(base.parts) - len(ROOT.parts) - 3]
    load_train(recipe)
    prepare = sys.modules["prepare"]
    known = getattr(prepare, "FOLDS", getattr(prepare, "SPEAKERS", ()))
    assert tree["result"].get("folds", 0) == len(known)
    assert ("folds" in tree["result"]) == ("fold" in tree)


def test_no_recipe(recipe, tmp_path):
    assert "no folder" in refusal(recipe / "nowhere")
    assert "is no recipe: it has no train.py" in refusal(recipe / "hparams")
    base = recipe / "hparams" / "base.yaml"
    base.write_text(base.read_text().replace("    folds: 3\n", ""))
    assert "this recipe has no folds" in refusal(recipe, "--folds=all")


def test_two_cells_never_share_a_folder(recipe):
    base = recipe / "hparams" / "base.yaml"
    text = base.read_text().replace("_seed<seed>", "")
    base.write_text(text.replace("    seed: !ref <seed>\n", ""))
    message = refusal(recipe, "--seeds=2")
    assert "linear seed 2 and linear seed 1 share the folder" in message


def test_runs_with_other_settings_are_not_taken_for_these(recipe):
    run(recipe, "--methods=lora")
    folder = recipe / "results" / "lora" / "fold1_seed1"
    stored = (recipe / "hparams" / "base.yaml").read_text()
    stored = stored.replace("!PLACEHOLDER", "lora").replace("!ref ", "")
    (folder / "hyperparams.yaml").write_text(stored)
    with pytest.raises(InputError, match="other settings: .* `lr: 0.1`"):
        sweep.main([str(recipe), "--methods=lora", "--lr=0.2"])


@pytest.mark.slow
def test_two_processes_for_each_run_of_a_real_recipe(esc50, tmp_path):
    recipe = tmp_path / "ESC50"
    leave_out = shutil.ignore_patterns("results", "search")
    shutil.copytree(ESC50, recipe, ignore=leave_out)
    options = [f"--data_folder={esc50}", *TINY]
    run(recipe, "--methods=linear", "--gpus=2", *options)
    assert result(recipe, "linear/fold1_seed1")["processes"] == 2


def in_a_fork(recipe, *options):
    """A sweep in a process of its own, as from a terminal."""

    def program():
        os.setsid()
        sys.argv = ["sbpetl", str(recipe), *options]
        run_main(sweep.main)

    process = multiprocessing.get_context("fork").Process(target=program)
    process.start()
    return process


def wait_for(condition, seconds=20):
    """Until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def running(recipe):
    """The command lines of the recipe's processes."""
    lines = []
    for path in os.listdir("/proc"):
        try:
            cwd = os.readlink(f"/proc/{path}/cwd")
            with open(f"/proc/{path}/cmdline", encoding="utf-8") as file:
                line = file.read().replace("\0", " ")
        except OSError:
            continue
        if cwd == str(recipe) and int(path) != os.getpid():
            lines.append((int(path), line))
    return lines


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=SLOW)]
)
def test_stopped(recipe, number):
    """Ctrl-C reaches all processes of the terminal, kill only the sweep."""
    slow = ["--methods=lora", "--folds=1,2", "--pause=0.6"]
    process = in_a_fork(recipe, *slow, "--jobs=2")
    wait_for(lambda: len(list(recipe.rglob("steps/0"))) == 2)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)
    process.join(20)
    assert process.exitcode == 130  # as a shell's
    wait_for(lambda: not running(recipe), 3)
    assert not folders(recipe) and not list(recipe.rglob(FAILED))
    run(recipe, *slow, "--jobs=2")
    for fold in (1, 2):
        text = log(recipe, f"lora/fold{fold}_seed1")
        # it went on: no step that was done is done again
        assert text.count("step 0") == 1 and text.count("$ ") == 2


@pytest.mark.parametrize(
    "which",
    [
        "all",
        pytest.param("the sweep", marks=SLOW),
    ],
)
def test_killed(recipe, which):
    """kill -9; what outlives its sweep is waited for, not started again."""
    slow = ["--methods=lora", "--folds=1,2", "--pause=0.6"]
    process = in_a_fork(recipe, *slow)
    wait_for(lambda: list(recipe.rglob("steps/0")))
    victims = running(recipe)
    assert len(victims) == 2  # the sweep and train.py
    for pid, _ in victims:
        if which == "all" or pid == process.pid:
            os.kill(pid, signal.SIGKILL)
    process.join(20)
    assert process.exitcode == -signal.SIGKILL
    run(recipe, *slow)
    assert folders(recipe) == ["lora/fold1_seed1", "lora/fold2_seed1"]
    text = log(recipe, "lora/fold1_seed1")
    assert text.count("step 0") == text.count("step 2") == 1
    assert text.count("$ ") == (2 if which == "all" else 1)
