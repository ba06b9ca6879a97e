"""A run folder goes on with the settings it was begun with, or not at all."""

from pathlib import Path

from speechbrain.utils.logger import get_logger

from ..errors import InputError
from . import run_options
from .moved import ADDED, renew
from .plain import plain_tree
from .yaml_files import dump_yaml, load_yaml

logger = get_logger(__name__)

HYPERPARAMS = "hyperparams.yaml"  # as SpeechBrain names it
# keys that may change between a run and its continuation
MAY_CHANGE = {
    *("data_folder", "download", "num_workers"),
    *("cache_folder", "ckpt_interval_minutes", "logger"),
}


def refuse_other_settings(settings):
    """Refuse an output folder that holds a run with other settings.

    Arguments
    ---------
    settings : dict
        As ``check_recipe`` returns them.
    """
    folder = Path(settings.get("output_folder", ""))
    if folder.is_file():
        raise InputError(f"output_folder={folder} is a file: name a folder")
    stored = folder / HYPERPARAMS
    if not stored.is_file() or not _holds_a_run(folder, settings):
        return
    text = stored.read_text(encoding="utf-8", errors="replace")
    if not text.strip():  # version 0.1 was killed while it wrote it
        logger.warning(
            f"{stored} is empty: the run goes on with these settings"
        )
        return
    old = load_yaml(text, stored)
    if _was_a_trial(old):
        return
    for _, was, now in differences(old, settings):
        raise InputError(
            f"{folder} holds a run with other settings: it had `{was}` where "
            f"this one has `{now}`. Give another --output_folder, or delete "
            f"that one; {stored} is what it had."
        )


def differences(old, new):
    """In what two runs differ.

    Arguments
    ---------
    old : dict
        Settings, as ``check_recipe`` returns them.
    new : dict
        The same of another run.

    Yields
    ------
    tuple of str
        (key, one's text, the other's), top-level keys that hold a single
        value first: mappings that refer to it differ then too.

    Example
    -------
    >>> old = {"brain": {"seed": 1}, "data_folder": "a", "seed": 1}
    >>> new = {"brain": {"seed": 2}, "data_folder": "b", "seed": 2}
    >>> next(differences(old, new))
    ('seed', 'seed: 1', 'seed: 2')
    """
    was, now = plain_settings(old), plain_settings(new)
    for key in ADDED - was.keys():
        now.pop(key, None)
    keys = sorted(k for k in was.keys() | now.keys() if not k.startswith("__"))
    keys.sort(key=lambda key: isinstance(new.get(key, old.get(key)), dict))
    for key in keys:
        if was.get(key) != now.get(key):
            yield key, _in_a_line(key, old), _in_a_line(key, new)


def _holds_a_run(folder, settings):
    """Whether something is lost if another run takes the folder."""
    finished = Path(settings.get("result_file", "")).is_file()
    return finished or any(folder.glob("**/CKPT+*"))


def _was_a_trial(old):
    """``--debug`` without ``--debug_persistently`` keeps no checkpoints."""
    options = old.get(run_options.KEY, {})
    return options.get(run_options.DEBUG) and not options.get(run_options.KEPT)


def plain_settings(tree):
    """Plain data without what may change: some keys, and where the folder is.

    Arguments
    ---------
    tree : dict
        Settings, as ``check_recipe`` returns them.

    Returns
    -------
    dict
        What two runs have in common whose results are to be the same.

    Example
    -------
    >>> plain_settings({"seed": 1, "data_folder": "a"})
    {'seed': 1}
    """
    folder = str(tree.get("output_folder"))

    def _visit(node):
        if isinstance(node, dict):
            kept = node.keys() - MAY_CHANGE
            return {key: _visit(node[key]) for key in kept}
        if isinstance(node, list):
            return [_visit(item) for item in node]
        if isinstance(node, str) and Path(node).is_relative_to(folder):
            return str(Path(".", Path(node).relative_to(folder)))
        return node

    return _visit(renew(plain_tree(tree)))


def _in_a_line(key, tree):
    return " ".join(dump_yaml({key: tree.get(key)}).split())
