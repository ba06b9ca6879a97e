"""The one command: what it lists, and how it answers what is wrong."""

import re
import subprocess
import sys

import pytest
from method_files import ROOT
from speechbrain_petl import __main__ as sbpetl
from speechbrain_petl.errors import ArgumentParser


def answer(monkeypatch, capsys, *argv):
    """What the command says, and its exit code."""
    monkeypatch.setattr(sys, "argv", ["sbpetl", *argv])
    with pytest.raises(SystemExit) as stop:
        sbpetl.main()
    return stop.value.code, *capsys.readouterr()


def test_help_has_a_line_for_each(monkeypatch, capsys):
    code, out, _ = answer(monkeypatch, capsys, "--help")
    assert code == 0
    for name, (_, what) in sbpetl.COMMANDS.items():
        (line,) = [x for x in out.splitlines() if x.split()[:1] == [name]]
        assert line.split()[1:] == what.split()[: len(line.split()) - 1]


def test_readme_names_each():
    text = (ROOT / "README.md").read_text()
    table = [row for row in text.splitlines() if row.startswith("| `sbpetl ")]
    named = [
        name for row in table for name in re.findall(r"`sbpetl (\w+)`", row)
    ]
    assert sorted(named) == sorted(sbpetl.COMMANDS)


@pytest.mark.parametrize("name", sbpetl.COMMANDS)
def test_help_of_each(monkeypatch, capsys, name):
    code, out, _ = answer(monkeypatch, capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"usage: sbpetl {name} ")


@pytest.mark.parametrize(
    "argv, words",
    [
        ([], "required: COMMAND (see sbpetl --help)"),
        (["sweeep"], "invalid choice: 'sweeep'"),
        (["stats"], "required: manifest (see sbpetl stats --help)"),
        (["share", "save"], "required: run, folder (see sbpetl share save"),
        (["sweep", "x", "--jobs=0"], "--jobs: 0 is not 1 or more"),
    ],
)
def test_a_wrong_command_is_one_line(monkeypatch, capsys, argv, words):
    code, out, err = answer(monkeypatch, capsys, *argv)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ") and words in err


def test_as_a_module(tmp_path):
    """Bad input is a line on standard error and exit code 1."""
    command = [sys.executable, "-m", "speechbrain_petl", "export", "a.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: there is no method file a.yaml.\n"


def test_what_is_empty():
    parser = ArgumentParser(prog="a")
    parser.add_argument("--into")
    assert parser.parse_args(["--into=b="]).into == "b="
    for word in ("", "--into=", "--ast:source="):
        with pytest.raises(SystemExit):
            parser.parse_known_args([word])


def loaded(code):
    """What a program has imported, and the CPU seconds that it took."""
    code = "import os, sys\n" + code
    code += "\nprint(*sys.modules, sum(os.times()[:2]))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *modules, seconds = done.stdout.splitlines()[-1].split()
    return set(modules), float(seconds)


HELPS = """
from speechbrain_petl.__main__ import COMMANDS, main
for argv in ([], *([name] for name in COMMANDS)):
    sys.argv = ["sbpetl", *argv, "--help"]
    try:
        main()
    except SystemExit:
        pass
"""
PARSE = """
from speechbrain_petl import InputError, parse_recipe
parse_recipe([{method!r}, "--data_folder=x", "--device=cpu"])
"""
HEAVY = {  # seconds each
    *("matplotlib", "pandas", "sklearn", "optuna", "transformers", "submitit"),
    *("timm", "torchvision", "torchmetrics", "torch._dynamo", "sympy"),
}


def test_what_is_not_used_is_not_imported():
    _, torch_alone = loaded("import torch")
    modules, seconds = loaded(HELPS)
    assert not {"torch", "speechbrain", *HEAVY} & modules
    assert seconds < torch_alone
    both, seconds_of_both = loaded("import torch, speechbrain")
    modules, seconds = loaded("import speechbrain_petl")
    assert not {"torch", "speechbrain", *HEAVY} & modules
    assert seconds < seconds_of_both
    method = ROOT / "recipes" / "ESC50" / "hparams" / "lora.yaml"
    modules, _ = loaded(PARSE.format(method=str(method)))
    assert not (HEAVY - both) & modules
