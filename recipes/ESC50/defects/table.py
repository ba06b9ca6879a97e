"""What each defect costs, from the result.json files of a sweep.

> python table.py results        # prints the table
> python table.py kept --write   # and puts it into README.md

A run with a defect and the one without it, of the same fold and seed, are a pair.

Authors
 * the speechbrain_petl developers, 2026
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

from defects import DEFECTS
from speechbrain_petl import InputError, run_main
from speechbrain_petl.experiments.report.groups import make_tables
from speechbrain_petl.experiments.report.markdown import grid_lines
from speechbrain_petl.experiments.report.paired import (
    p_text,
    p_value,
    pairs_of,
    steps_of,
)
from speechbrain_petl.experiments.report.runs import find_runs

HERE = Path(__file__).resolve().parent
MARKS = "<!-- table -->\n", "<!-- /table -->"
HEADS = ["file", "as released, %", "as published, %", "difference", "p", "runs"]


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


def table(folder):
    """The table, in Markdown.

    Arguments
    ---------
    folder : str or os.PathLike
        With result.json files at any depth.

    Returns
    -------
    str
        A row for each defect that has two runs or more beside published ones
        of the same data, encoder and protocol.
    """
    runs, problems = find_runs(folder)
    if problems:
        raise InputError(f"{folder}: {'; '.join(problems)}")
    lines = []
    for one in make_tables(runs, problems):
        rows = {(*split(row.method), row.shots): row for row in one.rows}
        for method, defect, shots in sorted(rows, key=order):
            plain = rows.get((method, "none", shots))
            if defect != "none" and plain:
                row = rows[method, defect, shots]
                pairs = pairs_of(row, plain, one.select)
                if len(pairs) > 1:
                    lines.append([row.name, *cells(pairs, row.runs[0].result)])
    return "".join(f"{line}\n" for line in grid_lines(HEADS, lines))


def order(key):
    """Methods, then their defects as they are listed, then shots."""
    method, defect, shots = key
    return method, list(DEFECTS).index(defect), shots or 0


def cells(pairs, result):
    """Both accuracies, their difference, p over folds, the runs of a row."""
    released, published = zip(*pairs.values())
    steps = [one - other for one, other in pairs.values()]
    p = p_text(p_value(steps_of(pairs), result))
    return [
        *(spread(released), spread(published), spread(steps, "+.1f")),
        *(p, len(pairs)),
    ]


def spread(values, form=".1f"):
    """Mean and sample deviation, in percent."""
    return f"{100 * mean(values):{form}} ± {100 * stdev(values):.1f}"


def main(argv=None):
    """Print the table; with --write, put it into README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=HERE / "kept")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args(argv)
    text = table(args.folder)
    print(text, end="")
    if args.write:
        page = HERE / "README.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        new = f"{before}{MARKS[0]}{text}{MARKS[1]}{after}"
        page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    run_main(main)
