"""What a yaml is to blame for: a value that the library it was given to refuses."""

import ast
import linecache
import re
import sysconfig
import traceback
from pathlib import Path

# what a script calls that a yaml names, and what it hands on from one
CALLED = re.compile(r'hparams\["(\w+)"\]\(')
# what it calls later, with arguments from the yaml
STEPS = re.compile(r"hparams\.(\w+)\(")
GIVEN = re.compile(r'(?:\*\*|kwargs=)hparams\["(\w+)"\]')
SIGNATURE = (
    "invalid combination of arguments"  # torch lists all names, to blame or not
)
CALLER = "speechbrain.utils.distributed"  # run_on_main
LIBRARIES = (
    *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
    "<",  # "<string>" and its like
)


def about_yaml(error):
    """A line about a yaml file, and about what it tells a library to do.

    An error inside a class or function of a developer's own is a bug, and
    none of a yaml.

    Arguments
    ---------
    error : Exception
        As caught around the main of a script.

    Returns
    -------
    str or None
        The line.

    Example
    -------
    >>> try:
    ...     int("many")
    ... except ValueError as error:
    ...     print(about_yaml(error))
    None
    """
    steps = list(traceback.walk_tb(error.__traceback__))
    own = [not f.f_code.co_filename.startswith(LIBRARIES) for f, _ in steps]
    last = max((i for i, is_own in enumerate(own) if is_own), default=-1)
    below = [frame for frame, _ in steps[last + 1 :]]
    words = ": ".join(map(str, error.args)) or type(error).__name__
    names = [frame.f_globals.get("__name__") for frame in below]
    if "hyperpyyaml.core" in names:
        return _of_class(below, names) + words
    statement = _statement(*steps[last]) if last >= 0 else ""
    keys = CALLED.findall(statement)
    for key in STEPS.findall(statement):
        hparams = getattr(steps[last][0].f_locals.get("self"), "hparams", None)
        given = getattr(getattr(hparams, key, None), "keywords", {})
        said = any(name in words for name in given) and SIGNATURE not in words
        keys += [key] if said else []
    if isinstance(error, TypeError) and names[-1:] in ([], [CALLER]):
        keys += GIVEN.findall(statement)
    return f"{' or '.join(keys)}: {words}" if keys else None


def _of_class(frames, names):
    """The class that could not be made, if there is one."""
    last = len(names) - 1 - names[::-1].index("hyperpyyaml.core")
    made = [frame.f_locals.get("self") for frame in frames[last + 1 :][:1]]
    return f"{type(made[0]).__name__}: " if made and made[0] is not None else ""


def _statement(frame, line):
    """The text of the statement that a frame is at."""
    text = "".join(linecache.getlines(frame.f_code.co_filename))
    around = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno
    ]
    innermost = max(around, key=lambda node: node.lineno, default=None)
    return ast.get_source_segment(text, innermost) if innermost else ""
