"""SpeechBrain's recipe lists: one row per script and method file."""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from method_files import ROOT, method_files
from samples import write_samples

COLUMNS = (
    "Task,Dataset,Script_file,Hparam_file,Data_prep_file,Readme_file,"
    "Result_url,HF_repo,test_debug_flags,test_debug_checks,performance"
).split(",")
LISTS = sorted((ROOT / "tests" / "recipes").glob("*.csv"))


def rows_of(path):
    """The rows of a list, its header checked."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == COLUMNS
        return list(reader)


def test_every_method_file_has_one_row():
    """Of every recipe; the templates are not listed, as upstream's."""
    listed = Counter(
        Path(row["Hparam_file"]) for path in LISTS for row in rows_of(path)
    )
    recipes = [p for p in method_files() if p.parts[0] == "recipes"]
    assert listed == Counter(recipes)


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


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """The repository's recipes, with tests/samples."""
    root = tmp_path_factory.mktemp("upstream")
    (root / "recipes").symlink_to(ROOT / "recipes")
    write_samples(root / "tests" / "samples")
    return root


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
