"""Names that come from data, shown in Markdown as they are."""

import re

from ..errors import printable

# brackets alone are no link
MEANING = re.compile(r"[\\`*|~$]|(?<=\])\(|^[#>+-]|(?<![^\W_])_|_(?![^\W_])")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape_markdown(text, code=False):
    """Text in which nothing is markup, of Markdown, HTML or mathematics.

    Arguments
    ---------
    text : object
        A label, a method, the name of a metric; it becomes one line.
    code : bool
        Whether what stands between two backticks stays code, as in a note;
        what comes from data has none there: see ``quoted`` and ``in_code``.

    Returns
    -------
    str
        For a paragraph or the cell of a table.

    Example
    -------
    >>> print(escape_markdown("<b>a|b</b> [x](y) soft_moa $\\\\frac{$"))
    &lt;b&gt;a\\|b&lt;/b&gt; [x]\\(y) soft_moa \\$\\\\frac{\\$
    >>> print(escape_markdown("none of `<run>` counts: <b>`", code=True))
    none of `<run>` counts: &lt;b&gt;\\`
    """
    line = printable(" ".join(str(text).split()))
    parts = re.split("(`[^`]*`)", line) if code else [line]
    return "".join(
        part if number % 2 else _escaped(part)
        for number, part in enumerate(parts)
    )


def _escaped(text):
    text = MEANING.sub(lambda found: f"\\{found.group(0)}", text)
    return re.sub("[&<>]", lambda found: ENTITIES[found.group(0)], text)


def quoted(text):
    """Text as code, for a note of which ``escape_markdown`` keeps the code.

    Arguments
    ---------
    text : object
        The name of a run, which may hold backticks.

    Returns
    -------
    str
        One line between backticks.

    Example
    -------
    >>> quoted("lora`s")
    "`lora's`"
    """
    return f"`{in_code(text)}`"


def in_code(text):
    """Text without backticks, for between two of them or beside code.

    Arguments
    ---------
    text : object
        A command, a path.

    Returns
    -------
    str
        One line without backticks.

    Example
    -------
    >>> in_code("train.py --petl=`x`")
    "train.py --petl='x'"
    """
    return printable(" ".join(str(text).split())).replace("`", "'")
