"""SpeechBrain's recipe lists: one row per script and method file."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from method_files import ROOT, method_files

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
        for key in ("Script_file", "Data_prep_file", "Readme_file"):
            assert (ROOT / row[key]).is_file(), row[key]
        assert " " not in row["test_debug_checks"]
