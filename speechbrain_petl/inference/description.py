"""What inference needs of a recipe's yaml, as plain data that runs no code.

A yaml may call any function of any package. A description is JSON: ``!new:``
and ``!name:`` are keys of it, as in ``{"!new:speechbrain_petl.AST": {"frames":
500}}``, which ``building`` makes objects of.
"""

import json
from pathlib import Path

from ..data.manifests import read_labels
from ..errors import InputError
from ..recipe.moved import renew
from ..recipe.settings import LABELS, stored_labels
from ..recipe.yaml_files import REF, plain_tree, read_yaml

# all the keys of a yaml that inference looks up by name; train.py has the rest
KEYS = ("encoder", "petl", "classifier")
MODULES = ("fbank", "pooling")  # of `modules`
OPTIONAL = ("source", "seed", "overlap")
PATHS = ("output_folder", LABELS)
NEW, NAME = "!new:", "!name:"


def describe(path):
    """The description of a run.

    Arguments
    ---------
    path : str or os.PathLike
        The hyperparams.yaml that the run has stored.

    Returns
    -------
    dict
        KEYS, MODULES and OPTIONAL, and the "labels" in their order.
    """
    path = Path(path)
    tree = read_yaml(path)
    if "tokenizer_folder" in tree:
        raise InputError(
            f"{path} is of a run that writes texts: only classifiers can be "
            "loaded"
        )
    nodes = {**tree, **(tree.get("modules") or {})}
    wanted = (*KEYS, *MODULES, *PATHS)
    missing = [key for key in wanted if key not in nodes]
    if missing:
        raise InputError(
            f"{path} has no {' and no '.join(missing)}: it is not of a run of "
            "a recipe that classifies"
        )
    shared = {id(nodes[key]): key for key in ("encoder", "fbank")}
    described = {}
    for key in (*KEYS, *MODULES, *OPTIONAL):
        others = {k: v for k, v in shared.items() if v != key}
        described[key] = renew(plain_tree(nodes.get(key), others))
        _refuse_calls(described[key], path)
    described["source"] = _found(described["source"], path, tree)
    described["labels"] = _labels(path, tree)
    return described


def check(described, path):
    """Refuse what does not have the form of a description.

    Arguments
    ---------
    described : dict
        As read from a file.
    path : str or os.PathLike
        The file.
    """
    for key, form in FORMS.items():
        if key not in described:
            raise InputError(f"{path}: it has no {key}")
        if not form(described[key]):
            raise InputError(
                f"{path}: {key} cannot be {json.dumps(described[key])}"
            )


def _tagged(prefix):
    """Whether it is what a tag makes: ``{"!new:speechbrain_petl.AST": ...}``."""

    def _form(tree):
        tags = list(tree) if isinstance(tree, dict) else []
        return len(tags) == 1 and tags[0].startswith(prefix)

    return _form


def _of(*kinds):
    return lambda value: type(value) in kinds


def _are_labels(value):
    return _of(list)(value) and bool(value) and all(map(_of(str), value))


FORMS = {
    "encoder": _tagged(NEW),
    "fbank": _tagged(NEW),
    "pooling": _tagged(NEW),
    "classifier": _tagged(NAME),
    "petl": _of(dict),
    "source": _of(str, type(None)),
    "seed": _of(int, type(None)),
    "overlap": _of(int, float, type(None)),
    "labels": _are_labels,
}


def _refuse_calls(tree, path):
    """Inference builds objects, but calls no functions."""
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if str(key).startswith("!") and not str(key).startswith(
            (NEW, NAME, REF)
        ):
            raise InputError(
                f"{path}: {key} stands where inference reads no calls"
            )
        _refuse_calls(value, path)


def _found(source, path, tree):
    """A file beside the recipe, which is not where one works now."""
    start = started_in(path, tree)
    if source and not Path(source).exists() and (start / source).exists():
        return str(start / source)
    return source


def started_in(path, tree):
    """Where a run was started, if it has not been moved since.

    Arguments
    ---------
    path : pathlib.Path
        Its hyperparams.yaml.
    tree : dict
        What that holds.

    Returns
    -------
    pathlib.Path
        The folder; the current one, if nothing tells.
    """
    folder, output = path.resolve().parent, Path(tree["output_folder"])
    depth = len(output.parts)
    if not output.is_absolute() and folder.parts[-depth:] == output.parts:
        return folder.parents[depth - 1]
    return Path()


def _labels(path, tree):
    """The names of the classes, wherever the run has been moved."""
    labels = read_labels(stored_labels(path.parent, tree))
    return [str(labels.ind2lab[i]) for i in range(len(labels))]
