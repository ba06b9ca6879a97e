#!/usr/bin/env python3
"""What a campaign found, as one table; parts that did not end are said.

> python tests/gpu/table.py FOLDER
"""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

LATE = 124  # what timeout returns


def parts(folder):
    """A row for each part: its name, how it ended, seconds."""
    for line in (folder / "parts.tsv").read_text().splitlines():
        name, code, seconds = line.split("\t")
        ended = {0: "done", LATE: "out of time"}.get(int(code), f"code {code}")
        yield f"part: {name}", ended, f"{seconds} s, {name}.log"


def tests(path):
    """How many passed, and which did not."""
    if not path.is_file():
        return
    cases = list(ET.parse(path).getroot().iter("testcase"))
    failed = [c for c in cases if c.find("failure") is not None]
    failed += [c for c in cases if c.find("error") is not None]
    skipped = sum(c.find("skipped") is not None for c in cases)
    passed = len(cases) - len(failed) - skipped
    yield "tests", f"{passed} passed", f"{skipped} skipped"
    for case in failed:
        yield f"test: {case.get('name')}", "failed", case.get("classname")


def benchmarks(path):
    """The rows that were measured."""
    if path.is_file():
        for row in json.loads(path.read_text())["rows"]:
            wanted = f"{row['wanted']}; " if row["wanted"] else ""
            yield row["row"], f"{row['ratio']:.2f}", f"{wanted}{row['note']}"


def fold(path):
    """Of the one real fold."""
    if path.is_file():
        for name, value in json.loads(path.read_text()).items():
            shown = f"{value:.2f}" if isinstance(value, float) else str(value)
            yield f"fold: {name}", shown, ""


def main(folder):
    """Print it."""
    print("| what | found | wanted; how |\n|---|---|---|")
    for rows in (
        parts(folder),
        tests(folder / "tests.xml"),
        benchmarks(folder / "benchmarks.json"),
        fold(folder / "fold.json"),
    ):
        for what, found, note in rows:
            print(f"| {what} | {found} | {note} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
