"""A run folder: written whole, locked, and continued only as it was begun."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from running import ROOT
from speechbrain_petl import (
    InputError,
    create_experiment_directory,
    parse_recipe,
)
from speechbrain_petl.recipe import locks
from speechbrain_petl.recipe.experiment import WRITTEN
from speechbrain_petl.recipe.settings import HYPERPARAMS
from speechbrain_petl.recipe.yaml_files import load_yaml, read_yaml

from speechbrain.utils.logger import get_logger

BASES = [
    path.relative_to(ROOT)
    for room in ("recipes", "templates")
    for path in (ROOT / room).rglob("base.yaml")
]
HOLD = """
import sys, time
from speechbrain_petl.recipe.locks import lock
lock(sys.argv[1])
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def unlocked():
    """What a test has locked is free for the next."""
    yield
    locks.unlock()


def begin(folder, *options, output="run"):
    """The first lines of a main; returns the output folder."""
    output = folder / output
    argv = [str(folder / "lora.yaml"), f"--output_folder={output}"]
    argv += ["--data_folder=here", "--device=cpu", *options]
    base, run_opts, overrides = parse_recipe(argv)
    create_experiment_directory(str(output), base, overrides, run_opts)
    (output / "save" / "CKPT+1").mkdir(parents=True, exist_ok=True)
    return output


def test_the_stored_settings_load(folder):
    output = begin(folder, "--seed=3")
    stored = load_hyperpyyaml((output / HYPERPARAMS).read_text())
    assert stored["seed"] == 3 and stored["method"] == "lora"
    assert "run_options" not in stored
    assert (output / Path(__file__).name).is_file()  # the script
    assert "Beginning experiment!" in (output / "log.txt").read_text()
    assert f"torch {torch.__version__}" in (output / "env.log").read_text()


def test_names_in_the_log_are_text(folder):
    """Whoever shows a log shows what data has in it."""
    output = begin(folder)
    get_logger(__name__).warning("left out: %s\n\tand another", "\x1b[2Ja.wav")
    said = (output / "log.txt").read_text()
    assert "left out: \\x1b[2Ja.wav\n\tand another" in said


def test_a_kill_while_settings_are_written(folder, monkeypatch):
    """The old file is there until the new one is whole."""
    output = begin(folder)
    before = (output / HYPERPARAMS).read_text()

    def killed(*paths):
        raise SystemError("killed")

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(SystemError):
        begin(folder)
    monkeypatch.undo()
    assert (output / HYPERPARAMS).read_text() == before
    begin(folder)


@pytest.mark.parametrize(
    "option, words",
    [
        ("--grad_accumulation_factor=2", "grad_accumulation_factor: 2"),
        ("--max_grad_norm=1", "max_grad_norm: 1"),
        ("--precision=bf16", "precision: bf16"),
        ("--optimizer_step_limit=3", "optimizer_step_limit: 3"),
        ("--skip_nonfinite_grads", "skip_nonfinite_grads: True"),
    ],
)
def test_run_options_that_change_the_result_are_settings(folder, option, words):
    output = begin(folder)
    with pytest.raises(InputError, match=words):
        begin(folder, option)
    assert words not in (output / HYPERPARAMS).read_text()
    output = begin(folder, option, output="other")
    options = load_yaml((output / HYPERPARAMS).read_text(), "it")["run_options"]
    assert len(options) == 1
    begin(folder, option, output="other")
    with pytest.raises(InputError, match=words):
        begin(folder, output="other")


def test_other_run_options_may_change(folder):
    begin(folder)
    begin(folder, "--noprogressbar", "--ckpt_interval_steps=4", "--test_only")


def test_a_debug_run_is_no_run(folder):
    """One that keeps its checkpoints is another run, one without is none."""
    begin(folder, "--debug")
    begin(folder)
    begin(folder, "--debug", "--debug_persistently", output="other")
    with pytest.raises(InputError, match="debug: True"):
        begin(folder, output="other")


def test_a_moved_run_goes_on(folder):
    """Paths below the output folder are where that is now."""
    (folder / "base.yaml").write_text(
        (folder / "base.yaml").read_text()
        + "notes: !ref <output_folder>/a.txt\n"
    )
    shutil.copytree(begin(folder), folder / "moved")
    begin(folder, output="moved")
    with pytest.raises(InputError, match="holds a run with other settings"):
        begin(folder, "--notes=elsewhere/a.txt", output="moved")


def test_folders_are_there_before_any_work(folder):
    (folder / "base.yaml").write_text(
        (folder / "base.yaml").read_text()
        + "result_file: !ref <output_folder>/result.json\n"
        + "labels_file: !ref <output_folder>/save/labels.txt\n"
    )
    options = [
        f"--{key}_file={folder}/far/{key}/away.txt"
        for key in ("result", "labels")
    ]
    begin(folder, *options)
    assert (folder / "far" / "result").is_dir()
    assert (folder / "far" / "labels").is_dir()
    for option in (
        "--result_file=/proc/nowhere/result.json",
        f"--result_file={folder}/lora.yaml/result.json",
    ):
        with pytest.raises(
            InputError, match="result_file=.* cannot be written"
        ):
            begin(folder, option, output="other")
    for taken in ("lora.yaml/run", "/proc", "/dev/null"):
        with pytest.raises(InputError, match="output_folder=.* cannot be writ"):
            begin(folder, output=taken)
    for option in (f"--result_file={folder}", "--labels_file=/"):
        with pytest.raises(InputError, match="is a folder: name a file"):
            begin(folder, option, output="other")
    with pytest.raises(InputError, match="result_file=/dev/null is a device"):
        begin(folder, "--result_file=/dev/null", output="other")


@pytest.mark.parametrize("path", BASES, ids=str)
def test_every_file_of_a_recipe_is_among_these(path):
    keys = {key for key in read_yaml(ROOT / path) if key.endswith("_file")}
    assert keys and keys <= {*WRITTEN}


def test_two_processes_in_one_folder(folder, monkeypatch):
    """The second says which has it; once that is killed, it goes on."""
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    output = folder / "run"
    command = [sys.executable, "-c", HOLD, str(output)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "locked\n"
    with pytest.raises(InputError, match=f"process {first.pid} of .* at work"):
        begin(folder)
    first.kill()
    first.wait()
    begin(folder)
    begin(folder)  # the same process again
    locks.unlock()
    assert [path.name for path in output.glob(".*")] == [".lock"]


def test_a_bug_is_on_standard_error_and_in_the_log(folder):
    """SpeechBrain's own hook leaves standard error empty."""
    script = folder / "train.py"
    script.write_text(
        "from speechbrain_petl import create_experiment_directory\n"
        "from speechbrain_petl import parse_recipe, run_main\n\n\n"
        "def main(argv):\n"
        "    base, run_opts, overrides = parse_recipe(argv)\n"
        "    create_experiment_directory('run', base, overrides, run_opts)\n"
        "    1 / 0\n\n\n"
        "run_main(main)\n"
    )
    command = [sys.executable, str(script), "lora.yaml", "--data_folder=here"]
    command += ["--output_folder=run", "--device=cpu"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("ZeroDivisionError: division by zero")
    assert "Traceback" not in done.stdout
    assert "ZeroDivisionError" in (folder / "run" / "log.txt").read_text()
    assert (folder / "run" / "train.py").read_text() == script.read_text()
