"""What a run folder has stored of its recipe, and checksums of it."""

import hashlib
import json
from pathlib import Path

from ..data.checksums import sha256_of
from .settings import HYPERPARAMS, plain_settings
from .yaml_files import load_yaml

LABELS = "labels_file"  # the key of a yaml that says where they are


def stored_settings(folder):
    """The hyperparams.yaml of a run.

    Arguments
    ---------
    folder : str or os.PathLike
        Of the run.

    Returns
    -------
    ruamel.yaml.comments.CommentedMap
        With tags; nothing is built.
    """
    path = Path(folder) / HYPERPARAMS
    text = path.read_text(encoding="utf-8", errors="replace")
    return load_yaml(text, path)


def stored_labels(folder, tree):
    """Where the label set of a run is, wherever the run has been moved.

    Arguments
    ---------
    folder : str or os.PathLike
        Of the run.
    tree : dict
        As ``stored_settings`` returns it.

    Returns
    -------
    pathlib.Path
        The file.
    """
    file, output = Path(str(tree[LABELS])), str(tree.get("output_folder"))
    if file.is_relative_to(output):
        return Path(folder) / file.relative_to(output)
    return file


def sums_of_settings(folder):
    """Checksums of what the settings and the label set of a run say.

    What may change between a run and its continuation is left out.

    Arguments
    ---------
    folder : str or os.PathLike
        Of the run; without a hyperparams.yaml there is nothing to check.

    Returns
    -------
    dict
        Name of a file, from the folder on -> checksum.
    """
    if not (Path(folder) / HYPERPARAMS).is_file():
        return {}
    tree = stored_settings(folder)
    text = json.dumps(plain_settings(tree), sort_keys=True, default=str)
    sums = {HYPERPARAMS: hashlib.sha256(text.encode()).hexdigest()}
    if LABELS in tree:
        labels = stored_labels(folder, tree)
        if labels.is_file():
            here = labels.is_relative_to(folder)
            name = labels.relative_to(folder) if here else labels
            sums[name.as_posix()] = sha256_of(labels)
    return sums
