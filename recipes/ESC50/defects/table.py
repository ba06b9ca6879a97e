"""What each defect costs, from the result.json files of a sweep.

> python table.py results        # prints the table
> python table.py kept --write   # and puts it into README.md

A run with a defect and the one without it, of the same fold and seed, are a pair.

Authors
 * the speechbrain_petl developers, 2026
"""

import argparse
import json
from pathlib import Path
from statistics import mean, stdev

from defects import DEFECTS
from speechbrain_petl.experiments.report.markdown import grid_lines
from speechbrain_petl.experiments.report.paired import p_value

HERE = Path(__file__).resolve().parent
MARKS = "<!-- table -->\n", "<!-- /table -->"
HEADS = ["file", "as released, %", "as published, %", "difference", "p", "runs"]


def read(folder):
    """Method, folds and shots -> defect -> cell -> accuracy in percent.

    Arguments
    ---------
    folder : str or os.PathLike
        With result.json files at any depth.

    Returns
    -------
    dict
        Of dicts; a cell is (fold, seed). Without runs that are not finished.
    """
    found = {}
    for path in sorted(Path(folder).rglob("result*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        method, defect = split(result["method"])
        kind = method, result["folds"], result["shots"]
        runs = found.setdefault(kind, {})
        cell = result["fold"], result["seed"]
        accuracy = 100 * result["metrics"]["accuracy"]
        runs.setdefault(defect, {})[cell] = accuracy
    return found


def split(name):
    """A method file's name to the method and the key of DEFECTS.

    Arguments
    ---------
    name : str
        Such as "whisper/soft_moa_twice".

    Returns
    -------
    tuple of str
        Such as ("whisper/soft_moa", "twice"); "none" for published.
    """
    for defect in DEFECTS:
        if name.endswith(f"_{defect}"):
            return name.removesuffix(f"_{defect}"), defect
    return name.removesuffix("_published"), "none"


def table(found):
    """The table, in Markdown.

    Arguments
    ---------
    found : dict
        As ``read`` returns it.

    Returns
    -------
    str
        A row for each defect that has two runs or more beside published ones.
    """
    rows = []
    for (method, folds, shots), runs in sorted(found.items(), key=str):
        for defect in DEFECTS:
            pairs = pairs_of(runs, defect)
            if defect != "none" and len(pairs) > 1:
                released, published = zip(*pairs)
                steps = [one - other for one, other in pairs]
                p = p_value(steps, folds, shots)
                cells = [spread(released), spread(published)]
                cells += [spread(steps, "+.1f"), f"{p:.2f}", len(pairs)]
                rows.append([f"{method}_{defect}", *cells])
    return "".join(f"{line}\n" for line in grid_lines(HEADS, rows))


def pairs_of(runs, defect):
    """Accuracies with a defect and without it, in cells that have both."""
    published, released = runs.get("none", {}), runs.get(defect, {})
    cells = sorted(published.keys() & released.keys())
    return [(released[cell], published[cell]) for cell in cells]


def spread(values, form=".1f"):
    """Mean and sample deviation."""
    return f"{mean(values):{form}} ± {stdev(values):.1f}"


def main():
    """Print the table; with --write, put it into README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=HERE / "kept")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text = table(read(args.folder))
    print(text, end="")
    if args.write:
        page = HERE / "README.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        new = f"{before}{MARKS[0]}{text}{MARKS[1]}{after}"
        page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
