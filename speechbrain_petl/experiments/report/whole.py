"""A whole report: tables and pictures of a recipe's runs, into its README."""

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from ...data.writing import make_folder
from ...errors import InputError, did_you_mean
from ...inference.escaping import escape_markdown
from . import readme
from .groups import make_tables
from .markdown import as_markdown
from .published import read_figures
from .runs import find_runs
from .settings import defaults

NO_PICTURES = "no pictures: pip install 'speechbrain_petl[plots]' draws them"


def report(options):
    """Read the results of a recipe, print its tables and write what shows them.

    Arguments
    ---------
    options : argparse.Namespace
        As ``command`` parses them.
    """
    recipe = Path(options.recipe)
    bases, of_methods = defaults(recipe)
    figures = read_figures(recipe)
    results = options.results or recipe / "results"
    runs, problems = find_runs(results)
    if not runs:
        found = "".join(f"\n- {problem}" for problem in problems)
        raise InputError(f"{results} holds no finished run{found}")
    embedded = _chosen(runs, options.embeddings)
    folder = make_folder(options.pictures or recipe / "report", "--pictures=")
    texts, words = [], []
    tables = make_tables(runs, problems, of_methods)
    after = _across(tables, folder)
    for number, table in enumerate(tables):
        pictures, left_out = _draw(table, folder, embedded)
        words += [word for word in left_out if word not in words]
        text = as_markdown(table, figures, bases, of_methods)
        pictures += after.get(number, [])
        links = "".join(f"\n\n{_link(p, w, recipe)}" for p, w in pictures)
        texts.append((table.common["dataset"], text + links))
    print("\n\n".join(text for _, text in texts), end="\n\n")
    for word in [*words, *readme.update(recipe / "README.md", texts)]:
        print(word)


def _across(tables, folder):
    """Number of a table -> the pictures over its encoder and those before."""
    found = {}
    if find_spec("matplotlib") is None:
        return found
    from .across import across_encoders, draw_across, title_of
    from .pictures import slug

    for group in across_encoders(tables):
        last = tables.index(group[-1])
        path = f"{folder / slug(title_of(group))}_encoders.png"
        if draw_across(group, path):
            found[last] = [(path, "Encoders and methods, and what they cost")]
    return found


def _draw(table, folder, embedded):
    """The pictures of a table, and why some are left out."""
    if find_spec("matplotlib") is None:
        return [], [NO_PICTURES]
    from .pictures import draw_all, draw_clips

    pictures, words = draw_all(table, folder)
    if embedded in table.runs:
        pictures.append(draw_clips(table, embedded, folder))
    return pictures, words


def _chosen(runs, folder):
    """The run whose embeddings are asked for; None if none are."""
    if folder is None:
        return None
    for one in runs:
        if one.folder.resolve() == Path(folder).resolve():
            return one
    raise InputError(
        f"--embeddings={folder} is no finished run of the report."
        + did_you_mean(str(folder), [str(one.folder) for one in runs])
    )


def _link(path, words, recipe):
    """A picture in Markdown, relative to the README."""
    words = escape_markdown(words)
    path = Path(os.path.relpath(path, recipe)).as_posix()
    return f"![{words}]({quote(path)})"
