"""A data set as it was released: its folder, its folds, its splits."""

import os

from ..errors import InputError
from .dataio import write_manifest
from .tables import wrong_folder


def find_release(data_folder, name, parts, remedy, fetch=None):
    """The folder of a data set: the one that is given, or one in it.

    Arguments
    ---------
    data_folder : str
        What the user gave.
    name : str
        Of the folder in the official archive.
    parts : sequence of str
        Files or folders that it holds.
    remedy : str
        What the user can do if they are not there: the end of the message.
    fetch : callable, optional
        Gets the path to fetch the data set to, and returns its folder.

    Returns
    -------
    str
        Its absolute path.

    Example
    -------
    >>> root = getfixture("tmp_path") / "ESC-50-master" / "meta"
    >>> root.mkdir(parents=True)
    >>> path = find_release(root.parents[1], "ESC-50-master", ["meta"], "")
    >>> os.path.basename(path)
    'ESC-50-master'
    """
    for folder in (data_folder, os.path.join(data_folder, name)):
        paths = [os.path.join(folder, part) for part in parts]
        missing = [path for path in paths if not os.path.exists(path)]
        if not missing:
            return os.path.abspath(folder)
        if len(missing) < len(parts):
            raise InputError(
                f"{missing[0]} is missing: unpack the official archive again"
            )
    if fetch:
        folder = fetch(os.path.abspath(folder))
        if os.path.exists(os.path.join(folder, parts[0])):
            return folder
        raise InputError(
            f"{folder} holds no {parts[0]}: move it elsewhere, and the archive "
            "is unpacked in its place"
        )
    raise wrong_folder(data_folder, parts[0], remedy)


def split_folds(clips, fold, folds, validate):
    """Test on one fold, validate on the next one, train on the others.

    Arguments
    ---------
    clips : dict
        id -> manifest entry with its "fold".
    fold : int
        To test on.
    folds : sequence of int
        All of them.
    validate : bool
        False: train on the next one as well.

    Returns
    -------
    dict
        split -> id -> manifest entry.

    Example
    -------
    >>> clips = {f"clip{i}": {"fold": i} for i in (1, 2, 3)}
    >>> {k: list(v) for k, v in split_folds(clips, 3, (1, 2, 3), True).items()}
    {'train': ['clip2'], 'valid': ['clip1'], 'test': ['clip3']}
    """
    parts = {"test": fold}
    if validate:
        parts = {"valid": folds[(folds.index(fold) + 1) % len(folds)], **parts}
    others = set(folds) - set(parts.values())
    parts = {"train": others, **{split: {f} for split, f in parts.items()}}
    return {
        split: {k: c for k, c in clips.items() if c["fold"] in chosen}
        for split, chosen in parts.items()
    }


def write_manifests(save_folder, splits):
    """Check every file and write train.json, valid.json and test.json.

    Arguments
    ---------
    save_folder : str
        Where they go.
    splits : dict
        split -> id -> manifest entry, as ``write_manifest`` takes it.

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    manifests = {}
    for split, items in splits.items():
        manifests[split] = os.path.join(save_folder, f"{split}.json")
        write_manifest(manifests[split], items)
    return manifests
