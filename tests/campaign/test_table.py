"""The table of bad values has every option of every command."""

import re

import pytest
from running import ROOT
from speechbrain_petl.__main__ import COMMANDS, main
from speechbrain_petl.recipe.command_line import OPTIONS
from speechbrain_petl.recipe.yaml_files import read_yaml

from . import bad_values


@pytest.mark.parametrize(
    "path",
    [
        p
        for d in ("recipes", "templates")
        for p in (ROOT / d).rglob("base.yaml")
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_key_of_a_recipe(path):
    keys = {key for key in read_yaml(path) if not key.startswith("__")}
    assert keys <= bad_values.RECIPE.keys() | OPTIONS.keys()


def test_every_run_option():
    flags = {flag.removeprefix("--") for flag in bad_values.RUN_FLAGS}
    tried = {*bad_values.RUN_OPTIONS, *flags, *bad_values.NO_VALUE}
    assert tried == OPTIONS.keys() | {"ckpt_interval_minutes"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command(command, monkeypatch, capsys):
    """But flags, which have no value."""
    monkeypatch.setattr("sys.argv", ["sbpetl", command, "--help"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    wanted = set(re.findall(r"(--[a-z_]+)[ =][A-Z{]", said))
    lines = bad_values.SBPETL[command]
    tried = {word.partition("=")[0] for line in lines for word in line}
    assert wanted <= tried
