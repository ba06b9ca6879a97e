"""The part of a README that a report writes: what is between its markers."""

import os
import re
from pathlib import Path

from ...errors import InputError

OPEN = r"<!-- report(?: (?P<dataset>[^\n]*?))? -->"
CLOSE = "<!-- /report -->"
BLOCK = re.compile(rf"(?P<open>{OPEN})(?P<old>.*?)(?P<close>{CLOSE})", re.S)


def update(path, texts):
    """Replace what is between the markers of a README.

    ``<!-- report -->`` takes all tables, ``<!-- report ESC-10 -->`` those of
    a data set; each ends at ``<!-- /report -->``. One whose data set has no
    results stays as it is.

    Arguments
    ---------
    path : str
        The README.
    texts : list of tuple
        (data set, Markdown), in their order.

    Returns
    -------
    list of str
        What was done, or is to do, in words.

    Example
    -------
    >>> path = getfixture("tmp_path") / "README.md"
    >>> _ = path.write_text("# A\\n<!-- report -->\\nold\\n<!-- /report -->\\n")
    >>> _ = update(path, [("ESC-50", "new")])
    >>> print(path.read_text(), end="")
    # A
    <!-- report -->
    <BLANKLINE>
    new
    <BLANKLINE>
    <!-- /report -->
    """
    old = _read(path)
    if old is None or not re.search(OPEN, old):
        return [
            f"{path} has no markers for the report: add the lines "
            f"`<!-- report -->` and `{CLOSE}` (or, for one data set, "
            f"`<!-- report {texts[0][0]} -->` and `{CLOSE}`)"
        ]
    _check(path, old)
    words, used = [], set()

    def _fill(block):
        dataset = block["dataset"]
        fitting = [t for t in texts if dataset in (None, t[0])]
        if not fitting:
            words.append(f"{path}: no results of {dataset}, left as it was")
            return block[0]
        used.update(name for name, _ in fitting)
        body = "\n\n".join(text for _, text in fitting)
        return f"{block['open']}\n\n{body}\n\n{block['close']}"

    new = BLOCK.sub(_fill, old)
    for name in sorted({name for name, _ in texts} - used):
        words.append(f"{path} has no `<!-- report {name} -->`: not written")
    if new == old:
        return [*words, f"{path} is up to date"]
    _write(path, new)
    return [*words, f"{path} is updated"]


def _read(path):
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def _check(path, text):
    """Each opening marker has its own closing one."""
    marks = [m[0] for m in re.finditer(rf"{OPEN}|{CLOSE}", text)]
    closing = [mark == CLOSE for mark in marks]
    if closing != [False, True] * (len(marks) // 2):
        raise InputError(
            f"{path}: the markers {', '.join(marks)} are no pairs; close each "
            f"by {CLOSE}"
        )


def _write(path, text):
    """At once, and with the file's own rights."""
    part = Path(f"{path}.part")
    with open(part, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.chmod(part, os.stat(path).st_mode)
    os.replace(part, path)
