"""What a run is about, written whole; never another beside a run.

A clip that has another label, or is there no longer, changes what the weights
and the figures of a run mean.
"""

import json
from pathlib import Path

from speechbrain.dataio.encoder import CategoricalEncoder

from ..errors import InputError
from .writing import whole_file, write_json

CHECKPOINTS, RESULT = "CKPT+*", "result.json"  # what a run leaves
MILLISECONDS = 3  # decimal places of seconds


def write_entries(path, entries):
    """Write a json manifest.

    Arguments
    ---------
    path : str or os.PathLike
        The json file.
    entries : dict
        id -> entry.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> write_entries(folder / "test.json", {"a": {"label": "dog"}})
    >>> (folder / "CKPT+1").mkdir()
    >>> write_entries(folder / "test.json", {"a": {"label": "cat"}})
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: ...test.json is of a run on other data: it had `a: {'label': 'dog'}` where there is `a: {'label': 'cat'}` now. Give another --output_folder, or delete that one.
    """
    path = Path(path)
    if _holds_a_run(path.parent) and path.is_file():
        _refuse_others(path, _entries_of(path), entries)
    write_json(path, entries)


def write_labels(path, labels):
    """Write a label set.

    Arguments
    ---------
    path : str or os.PathLike
        The file.
    labels : speechbrain.dataio.encoder.CategoricalEncoder
        The label set.
    """
    path = Path(path)
    if _holds_a_run(path.parent) and path.is_file():
        now = {k: {"index": v} for k, v in labels.lab2ind.items()}
        _refuse_others(path, _labels_of(path), now)
    with whole_file(path) as part:  # each process writes the same
        labels.save(part)


def _holds_a_run(folder):
    """Whether it is a run's save_folder, with something to be lost."""
    kept = any(folder.glob(CHECKPOINTS))
    return kept or (folder.parent / RESULT).is_file()


def _entries_of(path):
    """What is there; None if that is damaged."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    known = isinstance(entries, dict)
    known = known and all(isinstance(e, dict) for e in entries.values())
    return entries if known else None


def read_labels(path):
    """Read a label set.

    Arguments
    ---------
    path : str or os.PathLike
        The file.

    Returns
    -------
    speechbrain.dataio.encoder.CategoricalEncoder
        The label set.
    """
    labels = CategoricalEncoder()
    try:
        labels.load(path)
    except (OSError, ValueError, SyntaxError, KeyError) as error:
        raise InputError(f"the labels {path} cannot be read: {error}")
    return labels


def _labels_of(path):
    try:
        labels = read_labels(path)
    except InputError:
        return None
    return {k: {"index": v} for k, v in labels.lab2ind.items()}


def _refuse_others(path, old, new):
    """Refuse what means something else than what is there."""
    if old is None:
        return  # damaged: it is written anew
    was, now = ({k: _meaning(e) for k, e in t.items()} for t in (old, new))
    other = [k for k in [*was, *now] if was.get(k) != now.get(k)]
    if other:
        key = min(other)
        before, after = (t.get(key, "nothing") for t in (was, now))
        raise InputError(
            f"{path} is of a run on other data: it had `{key}: {before}` "
            f"where there is `{key}: {after}` now. Give another "
            "--output_folder, or delete that one."
        )


def _meaning(entry):
    """An entry, wherever its sound is now."""
    entry = {
        key: round(value, MILLISECONDS) if isinstance(value, float) else value
        for key, value in entry.items()
    }
    if "wav" in entry:
        entry["wav"] = Path(str(entry["wav"])).name
    return entry
