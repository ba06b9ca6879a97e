"""SpeechBrain's recipe lists: one row per script and method file."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from method_files import ROOT, method_files
from recipe_rows import FOLDER, add_rows, in_recipes, listed, lists, rows_of

LISTS = lists()


def test_every_method_file_has_one_row():
    """And every row a file: a new one asks for recipe_rows.py."""
    files = Counter(in_recipes(method_files()))
    assert Counter(listed("Hparam_file")) == files


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_new_rows(path, tmp_path):
    """The command brings back every row but the first, where it was."""
    copy = tmp_path / path.name
    header, first, *others = path.read_text().splitlines(keepends=True)
    copy.write_text(header + first)
    files = in_recipes(method_files())
    of_dataset = [file for file in files if file.parts[1] == path.stem]
    assert len(add_rows(of_dataset, tmp_path)) == len(others)
    for row, before in zip(rows_of(copy), rows_of(path), strict=True):
        assert row["Hparam_file"] == before["Hparam_file"]


def test_a_row_is_like_its_neighbours(tmp_path):
    """In a folder of its own it takes the flags of that folder."""
    shutil.copy(FOLDER / "ESC50.csv", tmp_path)
    before = rows_of(tmp_path / "ESC50.csv")
    new = Path("recipes/ESC50/hparams/beats/new.yaml")
    assert add_rows([new], tmp_path) == [str(new)]
    assert add_rows([new], tmp_path) == []
    (row,) = (r for r in rows_of(tmp_path / "ESC50.csv") if r not in before)
    (like,) = (
        r for r in before if r["Hparam_file"].endswith("beats/lora.yaml")
    )
    assert {**row, "Hparam_file": like["Hparam_file"]} == like


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_rows_name_what_exists(path):
    """Files, flags, and checks without blanks, as upstream reads them."""
    for row in rows_of(path):
        assert row["Dataset"] and row["Task"] and row["test_debug_flags"]
        hparams = Path(row["Hparam_file"])
        script = "train_seq2seq" if hparams.parts[3] == "seq2seq" else "train"
        assert row["Script_file"] == f"recipes/{path.stem}/{script}.py"
        assert hparams.parts[:3] == ("recipes", path.stem, "hparams")
        for key in ("Script_file", "Data_prep_file", "Readme_file"):
            assert (ROOT / row[key]).is_file(), row[key]
        assert " " not in row["test_debug_checks"]


@pytest.mark.slow
@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_flags_run(path, samples, tmp_path):
    """The first row, as upstream's runner calls it, leaves what it lists."""
    row = rows_of(path)[0]
    command = [sys.executable, row["Script_file"], row["Hparam_file"]]
    command += row["test_debug_flags"].split()
    command += ["--device=cpu", f"--output_folder={tmp_path}"]
    command += ["--debug", "--debug_persistently"]
    done = subprocess.run(command, cwd=samples, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = row["test_debug_checks"].split("[")[1].rstrip("]")
    for name in listed.split(","):
        assert (tmp_path / name).is_file(), name
