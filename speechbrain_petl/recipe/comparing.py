"""What of a run's settings must stay as it was: plain data, compared by keys."""

from pathlib import Path

from .moved import ADDED, renew
from .yaml_files import plain_tree

# no checksum covers these; with another key here no run of before is whole
UNSUMMED = {
    *("data_folder", "download", "num_workers"),
    *("cache_folder", "ckpt_interval_minutes", "logger", "wandb"),
}
# keys that may change between a run and its continuation
MAY_CHANGE = UNSUMMED | {"cache"}


def plain_settings(settings):
    """What a run and its continuation must have in common, as plain data.

    Arguments
    ---------
    settings : dict
        As ``check_recipe`` returns them.

    Returns
    -------
    dict
        Of today's names.

    Example
    -------
    >>> plain_settings({"lr": 0.1, "num_workers": 4})
    {'lr': 0.1}
    """
    return without(renew(plain_tree(settings)), MAY_CHANGE)


def changed_keys(was, now):
    """The keys in which settings differ, but those that were not known then.

    Arguments
    ---------
    was, now : dict
        As ``plain_settings`` returns them.

    Returns
    -------
    list of str
        Sorted.

    Example
    -------
    >>> changed_keys({"lr": 0.1, "seed": 1}, {"lr": 0.2, "seed": 1})
    ['lr']
    """
    now = _without_added(now, was)
    keys = sorted(k for k in was.keys() | now.keys() if not k.startswith("__"))
    return [key for key in keys if was.get(key) != now.get(key)]


def _without_added(now, was):
    """Without the keys that a version of before did not know."""
    if not isinstance(now, dict) or not isinstance(was, dict):
        return now
    return {
        key: _without_added(value, was.get(key))
        for key, value in now.items()
        if key in was or key not in ADDED
    }


def without(tree, free):
    """Plain data without some keys, and without where the folder is.

    Arguments
    ---------
    tree : dict
        As ``plain_tree`` returns it.
    free : set of str
        The keys, at any depth.

    Returns
    -------
    dict

    Example
    -------
    >>> without({"output_folder": "a", "wandb": {}}, {"wandb"})
    {'output_folder': '.'}
    """
    folder = str(tree.get("output_folder"))

    def _visit(node):
        if isinstance(node, dict):
            kept = node.keys() - free
            return {key: _visit(node[key]) for key in kept}
        if isinstance(node, list):
            return [_visit(item) for item in node]
        if isinstance(node, str) and Path(node).is_relative_to(folder):
            return str(Path(".", Path(node).relative_to(folder)))
        return node

    return _visit(tree)
