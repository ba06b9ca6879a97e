"""The one command: what it lists, and how it answers what is wrong."""

import subprocess
import sys

import pytest
from method_files import ROOT
from speechbrain_petl import __main__ as sbpetl
from speechbrain_petl.recipe.export import main as export_command
from speechbrain_petl.recipe.method_files import export


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


def test_nothing_is_imported_for_help():
    code = "import sys; from speechbrain_petl.__main__ import parse\n"
    code += "try: parse(['--help'])\nexcept SystemExit: print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {"torch", "speechbrain"} & set(done.stdout.split())


def test_export(capsys):
    method = ROOT / "recipes" / "ESC50" / "hparams" / "lora.yaml"
    export_command([str(method)])
    assert capsys.readouterr().out == export(method)
