"""The commands in README and docs, and what the text says of each.

A block of commands is preceded by one of

- ``<!-- needs a download -->``: of data, weights or packages;
- ``<!-- runs: tests/... -->``: that test runs it; test_documents.py runs it as
  it stands, in a copy of the project with the data and the run it talks of;
- ``<!-- runs, slow: tests/... -->``: the same, with the slow tests.
"""

import re
from dataclasses import dataclass

from method_files import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(
    r"(?P<marks>(?:^<!-- [^\n]* -->\n)*)^```(?P<language>bash|python)\n"
    r"(?P<text>.*?)^```$",
    flags=re.M | re.S,
)
RUNS = re.compile(r"<!-- runs(?P<slow>, slow)?: (?P<test>\S+) -->")
DOWNLOAD = "<!-- needs a download -->"


@dataclass(frozen=True)
class Block:
    """Commands of a page."""

    page: str
    language: str  # bash or python
    text: str
    test: str | None  # that runs it
    slow: bool
    download: bool  # needs one

    def __str__(self):
        first = self.text.splitlines()[0]
        return f"{self.page}: {first[:40]}"


def blocks():
    """Those of all pages, in order."""
    return [
        _block(str(page.relative_to(ROOT)), *found.group(1, 2, 3))
        for page in PAGES
        for found in BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def _block(page, marks, language, text):
    runs = RUNS.search(marks)
    test = runs and runs["test"]
    slow = bool(runs and runs["slow"])
    return Block(page, language, text, test, slow, DOWNLOAD in marks)
