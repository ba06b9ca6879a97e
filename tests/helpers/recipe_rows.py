"""SpeechBrain's lists of recipes, tests/recipes/*.csv: a row per method file.

> python tests/helpers/recipe_rows.py  # adds the rows of new method files

A new row is its nearest neighbour's: a file of the same folder, or else of the
same recipe. The first row of a data set has none: copy a line of another list.
Rows of files that are gone stay, and a test says so: delete them by hand.
"""

import csv
import sys
from pathlib import Path

from method_files import ROOT, method_files

COLUMNS = (
    "Task,Dataset,Script_file,Hparam_file,Data_prep_file,Readme_file,"
    "Result_url,HF_repo,test_debug_flags,test_debug_checks,performance"
).split(",")
OF_THE_FILE = {"Result_url": "", "HF_repo": "", "performance": ""}
FOLDER = ROOT / "tests" / "recipes"


def lists(folder=FOLDER):
    """The csv files, sorted."""
    return sorted(folder.glob("*.csv"))


def rows_of(path):
    """The rows of a list, its header checked."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == COLUMNS, path
        return list(reader)


def listed(column, folder=FOLDER):
    """What a column of all lists holds, as paths."""
    rows = [row for path in lists(folder) for row in rows_of(path)]
    return [Path(row[column]) for row in rows]


def in_recipes(files):
    """Those of the recipes: the templates are not listed, as upstream's."""
    return [path for path in files if path.parts[0] == "recipes"]


def row_for(file, rows):
    """A row for a method file, after its nearest neighbour's."""

    def nearness(row):
        return Path(row["Hparam_file"]).parent == file.parent

    return {**max(rows, key=nearness), **OF_THE_FILE, "Hparam_file": str(file)}


def add_rows(files, folder=FOLDER):
    """Write a row for each of these method files that has none; returns them."""
    added = []
    for dataset in sorted({file.parts[1] for file in files}):
        path = folder / f"{dataset}.csv"
        rows = rows_of(path) if path.is_file() else []
        if not rows:
            sys.exit(f"{path} has no row to copy: begin it by hand")
        known = {row["Hparam_file"] for row in rows}
        new = [
            row_for(file, rows)
            for file in files
            if file.parts[1] == dataset and str(file) not in known
        ]
        if new:
            _write(path, sorted(rows + new, key=_place))
        added += [row["Hparam_file"] for row in new]
    return added


def _place(row):
    file = Path(row["Hparam_file"])
    return str(file.parent), file.name


def _write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    for name in add_rows(in_recipes(method_files())):
        print(f"added {name}: check its flags")
