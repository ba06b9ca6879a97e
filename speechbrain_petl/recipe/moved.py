"""Names that earlier versions wrote into files -> those of today.

A run folder, an adapter folder or a yaml file of one's own from an earlier
version is read as if it had been written today.
"""

import pydoc
import warnings
from types import SimpleNamespace

from .yaml_files import ATTRIBUTE, REF

OWN = "speechbrain_petl"
CLASSES = {  # in yaml files and descriptions
    "speechbrain_petl.Conformer": "speechbrain_petl.ConformerConvolution",
    "speechbrain_petl.lobes.sequence.SequenceDecoder": (
        "speechbrain_petl.SequenceDecoder"
    ),
    "speechbrain_petl.lobes.sequence.TimeSteps": "speechbrain_petl.TimeSteps",
    "speechbrain_petl.loggers.TrainLog": "speechbrain_petl.TrainLog",
}
ARGUMENTS = {  # of which class -> old -> new
    "speechbrain_petl.ClipMean": {"tokens_of": "encoder"},
    "speechbrain_petl.Mixup": {"share": "prob"},
}
ADDED = {  # keys of base.yaml since then, whose defaults change nothing
    *("prepare", "dataio", "train_csv", "valid_csv", "test_csv"),
    *("head_lr", "groups", "scheduler", "loss", "mixup", "average_range"),
    *("balance", "average", "wandb", "training", "expected"),
    *("pretrained_head", "classes_file", "draw_balanced"),
}


def renew(tree):
    """What an earlier version wrote, as today's version writes it.

    Arguments
    ---------
    tree : object
        Plain data, as ``plain_tree`` returns it or adapter.json has it.

    Returns
    -------
    object
        The same with today's names.

    Example
    -------
    >>> renew({"!new:speechbrain_petl.loggers.TrainLog": {"save_file": "a"}})
    {'!new:speechbrain_petl.TrainLog': {'save_file': 'a'}}
    """
    if isinstance(tree, list):
        return [renew(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    new = {}
    for key, value in tree.items():
        tag, colon, name = key.partition(":")
        name = CLASSES.get(name, name)
        value = renew(value)
        names = ARGUMENTS.get(name, {}) if colon else {}
        if isinstance(value, dict):
            value = {
                names.get(k, k): _without_attribute(v) if k in names else v
                for k, v in value.items()
            }
        new[f"{tag}{colon}{name}"] = value
    return new


def _without_attribute(value):
    """``encoder`` of what was ``encoder.tokens_of``."""
    if isinstance(value, dict) and ATTRIBUTE in value:
        return value[ATTRIBUTE][0]
    if isinstance(value, dict) and REF in value:
        return {REF: value[REF].partition(".")[0]}
    return value


def old_module(name):
    """A name of this package that is gone, but that yaml files have.

    Arguments
    ---------
    name : str
        Such as "loggers", a module, or "Conformer", a class.

    Returns
    -------
    types.SimpleNamespace or type
        The module's classes, or the class.

    Example
    -------
    >>> pydoc.locate("speechbrain_petl.loggers.TrainLog").__module__
    'speechbrain_petl.training.loggers'
    """
    path = f"{OWN}.{name}"
    found = {
        old: new
        for old, new in CLASSES.items()
        if path in (old, old.rpartition(".")[0])
    }
    if not found:
        raise AttributeError(f"module {OWN!r} has no attribute {name!r}")
    warnings.warn(
        f"there is no {path} any more: write {' or '.join(found.values())}",
        FutureWarning,
        stacklevel=3,
    )
    if path in found:
        return pydoc.locate(found[path])
    classes = {
        old.rpartition(".")[2]: pydoc.locate(new) for old, new in found.items()
    }
    return SimpleNamespace(**classes)
