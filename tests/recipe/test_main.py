"""How a script ends: with one line, or with a traceback."""

import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hyperpyyaml import load_hyperpyyaml
from speechbrain_petl import InputError
from speechbrain_petl.recipe.main import run_main
from speechbrain_petl.recipe.parsing import parse_recipe

from speechbrain.utils.distributed import run_on_main


@pytest.mark.parametrize("failing", [True, False])
def test_run_prints_one_line_and_exits_with_1(monkeypatch, failing):
    def main(argv):
        if failing:
            raise InputError(f"first\n  second {argv}")

    monkeypatch.setattr(sys, "argv", ["train.py", "a"])
    if not failing:
        return run_main(main)
    with pytest.raises(SystemExit) as stop:
        run_main(main)
    assert stop.value.code == "error: first second ['a']"


def test_data_commands_no_terminal(monkeypatch):
    """Colours, a bell, a title, text that runs backwards, a broken name."""
    codes = "\x1b[31m \a \x1b]0;x\a \x9b2J \u202e \udcff"

    def main(argv):
        raise InputError(f"the label {codes} ş・ñ‌")

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as stop:
        run_main(main)
    assert stop.value.code == (
        "error: the label \\x1b[31m \\x07 \\x1b]0;x\\x07 \\x9b2J \\u202e \\udcff ş・ñ‌"
    )


def load(folder, monkeypatch, option):
    """A recipe's first lines, in which its classes are made."""

    def main(argv):
        base, _, overrides = parse_recipe(argv)
        with open(base, encoding="utf-8") as file:
            load_hyperpyyaml(file, overrides)

    argv = [str(folder / "lora.yaml"), "--data_folder=here", option]
    monkeypatch.setattr(sys, "argv", ["train.py", *argv])
    monkeypatch.syspath_prepend(folder)
    run_main(main)


@pytest.mark.parametrize(
    "value, words",
    [
        (
            "!new:speechbrain_petl.ASTT {}",
            "no such class .* speechbrain_petl.A",
        ),
        ("!name:torch.nn.Linearr {}", "no such entity as torch.nn.Linearr"),
        ("!new:speechbrain_petl.AST {stride: 3}", "AST: .* argument 'stride'"),
        ("!new:speechbrain_petl.AST {size: b}", "='b'"),
        ("!new:speechbrain_petl.count_parameters {}", "should be a class"),
        ("!apply:open [nowhere.txt]", "No such file"),
        ("!new:speechbrain_petl.Fbank {std: 0}", "std=0: a deviation"),
        ("!new:speechbrain_petl.Augment {steps: 5}", "iterable, but got int"),
        ("!new:speechbrain_petl.TrainLog {save_file: a, logger: 5}", "int"),
        ("!new:torch.nn.Linear [-1, 2]", "Linear: .*negative"),
        ("!apply:os.mkdir [/dev/null]", "File exists. Choose another name"),
        ("!ref <nothing>", "nothing"),
    ],
)
def test_what_a_yaml_cannot_have_is_one_line(folder, monkeypatch, value, words):
    with pytest.raises(SystemExit, match=words) as stop:
        load(folder, monkeypatch, f"--petl={{a: {value}}}")
    assert stop.value.code.startswith("error: ")
    assert "\n" not in stop.value.code


def call(hparams):
    """A statement of several lines in which a script calls what a yaml names."""
    return hparams["classifier"](
        3,
        4,
    )


def give(hparams):
    """One in which it hands on what a yaml gives."""
    return torch.nn.Linear(
        3,
        out_features=4,
        **hparams["brain"],
    )


def prepare(hparams):
    """The data, in the main process alone."""
    return run_on_main(give, kwargs=hparams["prepare"])


@pytest.mark.parametrize(
    "script, hparams, words",
    [
        (call, {"classifier": os.getpid}, "classifier: .*no arguments"),
        (call, {"classifier": torch.nn.Conv2d}, "classifier: .* missing 1"),
        (call, {"classifier": lambda *_: torch.zeros(-1)}, None),
        (give, {"brain": {"foo": 1}}, "brain: .* argument 'foo'"),
        (give, {"brain": {"out_features": 1}}, "brain: .* multiple values"),
        (give, {}, None),
        (prepare, {"prepare": {"foo": 1}}, "prepare: .* argument 'foo'"),
        (prepare, {"prepare": {"hparams": {}}}, None),
    ],
)
def test_what_a_script_gives_a_library(monkeypatch, script, hparams, words):
    """What a yaml names is to blame, not the library; an own class is a bug."""
    monkeypatch.setattr(sys, "argv", ["train.py"])
    expected = (
        pytest.raises(SystemExit, match=words)
        if words
        else (pytest.raises((KeyError, RuntimeError)))
    )
    with expected as stop:
        run_main(lambda argv: script(hparams))
    assert not words or stop.value.code.startswith("error: ")


class Brain:
    """What a step of it calls was made by a yaml."""

    def __init__(self, loss):
        self.hparams = SimpleNamespace(loss=loss)

    def step(self):
        return self.hparams.loss(torch.zeros(2, 3), torch.zeros(2, 3))


@pytest.mark.parametrize(
    "loss, words",
    [
        (partial(F.cross_entropy, label_smoothing=2), "loss: label_smoothing"),
        (
            partial(F.cross_entropy, label_smoothing="x"),
            "loss: .*must be float",
        ),
        (partial(torch.cat, dim=1), None),  # with what the step gives
        (F.nll_loss, None),
    ],
)
def test_what_a_step_gives_a_library(monkeypatch, loss, words):
    """An argument from the yaml is to blame, the step's own are a bug."""
    monkeypatch.setattr(sys, "argv", ["train.py"])
    expected = (
        pytest.raises(SystemExit, match=f"error: {words}")
        if words
        else pytest.raises((RuntimeError, TypeError))
    )
    with expected:
        run_main(lambda argv: Brain(loss).step())


def test_a_yaml_that_breaks_off_is_one_line(folder, monkeypatch):
    (folder / "lora.yaml").write_text("method: lora\npetl: {wrap: [")
    with pytest.raises(SystemExit, match="lora.yaml is no valid yaml"):
        load(folder, monkeypatch, "--seed=1")


@pytest.mark.parametrize(
    "tag", ["!new:mylobe.Encoder {}", "!apply:mylobe.make []"]
)
def test_a_bug_inside_keeps_its_traceback(folder, monkeypatch, tag):
    """A developer's own class, which hyperpyyaml calls."""
    (folder / "mylobe.py").write_text(
        "class Encoder:\n    def __init__(self):\n        1 / 0\n\n\n"
        "def make():\n    return Encoder()\n"
    )
    with pytest.raises(ZeroDivisionError) as error:
        load(folder, monkeypatch, f"--petl={{a: {tag}}}")
    assert error.traceback[-1].path.name == "mylobe.py"


PRINTS = """
import sys
from speechbrain_petl import run_main
run_main(lambda argv: print("a line\\n" * int(argv[0])))
"""


@pytest.mark.parametrize("lines", [1, 99999])
def test_nobody_reads_what_is_printed(lines):
    """``| head`` stops at some line, or has stopped before."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", PRINTS, str(lines)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("lines", [1, 99999])
def test_what_is_printed_fills_a_disk(lines):
    command = [sys.executable, "-c", PRINTS, str(lines)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: No space left on device. Make room")
    assert done.stderr.count(b"\n") == 1


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def main(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as stop:
        run_main(main)
    assert stop.value.code == 130
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("stopped: ")
    assert told.err.count("\n") == 1
