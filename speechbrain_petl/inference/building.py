"""From a description to modules: what a file from elsewhere may have built.

Modules of this package and ``torch.nn.Linear``, nothing else, since whoever
chooses what is called could run any code.
"""

import pydoc
from functools import partial

from torch import nn

from ..adapters.mixer import Shared
from ..errors import InputError
from ..recipe.yaml_files import REF
from .description import NAME, NEW

MODULES = (nn.Module, Shared)
PLAIN = (bool, int, float, str)
PACKAGE = __package__.partition(".")[0]  # whose classes are trusted


def build(tree, known=None, trust=False):
    """Make what a description, or a part of it, describes.

    Arguments
    ---------
    tree : object
        Plain data.
    known : dict, optional
        Name -> object, for what refers to the encoder or the filterbank.
    trust : bool
        Build classes of any package. Whoever wrote the description can then
        run any code.

    Returns
    -------
    object
        The same with all modules built.

    Example
    -------
    >>> build({"!new:torch.nn.Linear": {"in_features": 3, "out_features": 2}})
    Linear(in_features=3, out_features=2, bias=True)
    """
    if isinstance(tree, list):
        return [build(item, known, trust) for item in tree]
    if not isinstance(tree, dict):
        return tree
    tag = next(iter(tree), "")
    if tag == REF:
        return _referred(tree[REF], known or {})
    if not tag.startswith((NEW, NAME)):
        return {key: build(item, known, trust) for key, item in tree.items()}
    arguments = build(tree[tag], known, trust)
    name = tag.partition(":")[2]
    made = partial(_class(name, trust))
    if isinstance(arguments, list):
        made = partial(made, *arguments)
    else:
        made = partial(made, **arguments)
    try:
        return made() if tag.startswith(NEW) else made
    except TypeError as error:
        raise InputError(f"{name} cannot be built as described: {error}")


def _class(name, trust):
    if name == "torch.nn.Linear":
        return nn.Linear
    # importing a module runs it, so the name is looked at first
    own = name.startswith(f"{PACKAGE}.")
    found = pydoc.locate(name) if own or trust else None
    if trust and found is None:
        raise InputError(
            f"{name} cannot be imported: do it from the folder of its recipe"
        )
    if trust or own and _is_module(found):
        return found
    raise InputError(
        f"{name} is none of the classes that a description may name: modules "
        f"of {PACKAGE} and torch.nn.Linear. If you know who wrote it, load "
        "it with trust=True (--trust)."
    )


def _is_module(found):
    if not isinstance(found, type) or not issubclass(found, MODULES):
        return False
    return found.__module__.startswith(f"{PACKAGE}.")


def _referred(name, known):
    """What a name stands for, or a number or a word that it has, as rows."""
    owner, dot, attribute = name.partition(".")
    found = known.get(owner)
    if dot:
        public = not attribute.startswith("_")
        found = getattr(found, attribute, None) if public else None
        found = found if isinstance(found, PLAIN) else None
    if found is None:
        raise InputError(f"the description refers to {name}: no such value")
    return found
