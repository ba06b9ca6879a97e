"""The commands in README, CONTRIBUTING and docs, and what the text says of them.

A block of commands is preceded by one of

- ``<!-- needs a download -->``: of data, weights or packages;
- ``<!-- runs: tests/... -->``: that test runs it, and holds its program and
  options; test_documents.py runs it as it stands, in a copy of the project with
  the data and the run it talks of;
- ``<!-- runs, slow: tests/... -->``: the same, with the slow tests.
"""

import re
import textwrap
from dataclasses import dataclass

from method_files import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
]
BLOCK = re.compile(
    r"(?P<marks>(?:^ *<!-- [^\n]* -->\n)*)^ *```(?P<language>bash|python)\n"
    r"(?P<text>.*?)^ *```$",
    flags=re.M | re.S,
)
RUNS = re.compile(r"<!-- runs(?P<slow>, slow)?: (?P<test>\S+) -->")
PROGRAM = re.compile(
    r"sbpetl (?P<command>\w+)(?: (?P<action>[a-z]+)(?= ))?"
    r"|-m (?P<module>[\w.]+)|(?P<script>\w+)\.py"
)
OF_THE_RECIPE = {"data_folder"}  # not the command's own options
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

    def words(self):
        """What a test that runs it must hold: its program and options."""
        program = PROGRAM.search(self.text).groupdict().values()
        names = {name.split(".")[-1] for name in program if name}
        options = set(re.findall(r"--(\w+)", self.text))
        return names | options - OF_THE_RECIPE


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
    text = textwrap.dedent(text)
    return Block(page, language, text, test, slow, DOWNLOAD in marks)
