"""The axis of encoders: which a recipe has, and a method's file for each.

An encoder is a folder of method files with a base.yaml of another encoder than
the plain one's, or a size of one of these: ``ast`` (the plain files), ``whisper``
(``hparams/whisper``), ``whisper_small``; sizes with names of two words, such as
``hubert_large``, go by these.
"""

import pydoc
import re
import sys
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from ...errors import InputError, did_you_mean
from ...recipe.method_files import BASE
from ...recipe.yaml_files import read_yaml, tag_of
from .axes import split_words


@dataclass(frozen=True)
class Encoder:
    """What a sweep calls an encoder, and how to run it.

    Arguments
    ---------
    folder : str
        Of its method files, below hparams; empty for the plain ones.
    options : tuple of str
        Of train.py, such as its size.
    """

    folder: str
    options: tuple = ()


def encoders_of(hparams):
    """The encoders of a recipe.

    Arguments
    ---------
    hparams : str or os.PathLike
        Its folder of method files.

    Returns
    -------
    dict
        Name -> Encoder; the families first, each before its sizes.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> text = "encoder: !new:speechbrain_petl.AST"
    >>> _ = (folder / "base.yaml").write_text(text + " {size: !ref <ast_size>}")
    >>> found = encoders_of(folder)
    >>> found["ast"], found["ast_tiny224"].options
    (Encoder(folder='', options=()), ('--ast_size=tiny224',))
    """
    found, families, sizes = {}, {}, {}
    # another protocol of the same encoder is none
    for base in sorted(_bases(Path(hparams)), key=_own_names_first):
        _, made, tree = base
        found.setdefault((made, tree.get("family")), base)
    for folder, made, tree in sorted(found.values(), key=itemgetter(0)):
        node, family = tree.get("encoder"), tree.get("family")
        name = folder or _short(made)
        families[name] = Encoder(folder)
        for size, options in _sizes(made, node, family):
            own = size if "_" in size else f"{name}_{size}"
            sizes.setdefault(own, Encoder(folder, options))
    return families | {n: s for n, s in sizes.items() if n not in families}


def _bases(hparams):
    """Each base.yaml: its folder, the class of its encoder, what it says."""
    for path in hparams.glob(f"**/{BASE}"):
        tree = read_yaml(path)
        made = str(tag_of(tree.get("encoder")) or "").removeprefix("!new:")
        if made:
            folder = path.parent.relative_to(hparams).as_posix().strip(".")
            yield folder, made, tree


def _own_names_first(base):
    """The plain files, then folders that are called as their encoder is."""
    folder, made, _ = base
    return folder.count("/") + bool(folder), folder != _short(made), folder


def _short(made):
    return made.rpartition(".")[2].lower()


def _sizes(made, node, family):
    """Each size that an encoder's module lists, and the options that set it.

    Of a module of several families, those of one, and of what takes its recipe.
    """
    size = str(getattr(node.get("size"), "value", "")) if node else ""
    key = re.fullmatch(r"<(\w+)>", size)
    found = pydoc.locate(made) if key else None
    module = sys.modules.get(getattr(found, "__module__", None))
    for name, size in getattr(module, "SIZES", {}).items():
        settings = ()
        if family and size[-1] != family:
            kind = module.FAMILIES[size[-1]]
            if kind.like != family:
                continue
            settings = kind.settings
        options = f"{key[1]}={name}", *settings
        yield name, tuple(f"--{option}" for option in options)


def choices(hparams, wanted, methods, options):
    """The method files of all these encoders.

    Arguments
    ---------
    hparams : str or os.PathLike
        The folder of method files.
    wanted : str
        Encoders with commas between them, or "all": the families.
    methods : str
        Names with commas between them, or "all": those that each has.
    options : list of str
        Of train.py; those of one encoder alone begin with its name, as
        ``--whisper:source=folder``.

    Returns
    -------
    methods : list of tuple
        (method file below hparams, without ``.yaml``; its own options; those
        of them that say the size).
    options : list of str
        Those that are left, for all.
    """
    hparams, known = Path(hparams), encoders_of(hparams)
    if not known:
        raise InputError(
            f"--encoders: {hparams.absolute()} has no {BASE}, which says what "
            "an encoder is: give --methods alone"
        )
    families = [name for name, one in known.items() if not one.options]
    names = families if wanted == "all" else split_words(wanted, "--encoders")
    for name in names:
        if name not in known:
            raise InputError(
                f"--encoders: there is no {name}.{did_you_mean(name, known)} "
                f"{hparams.absolute().parent.name} has: {', '.join(families)}; "
                f"and of sizes: {', '.join(sorted(known.keys() - families))}"
            )
    special = {name: [] for name in names}
    left = []
    for option in options:
        name, colon, rest = option.removeprefix("--").partition(":")
        if not colon or "=" in name:
            left.append(option)
        elif name in special:
            special[name].append(f"--{rest}")
        else:
            raise InputError(
                f"{option}: {name} is not among --encoders={','.join(names)}"
            )
    found = [
        (file, (*known[name].options, *special[name]), known[name].options)
        for name in names
        for file in _files(hparams, name, known[name].folder, methods, known)
    ]
    return found, left


def _files(hparams, name, folder, methods, known):
    there = _methods_in(hparams / folder)
    wanted = there if methods == "all" else split_words(methods, "--methods")
    for method in wanted:
        if method not in there:
            others = [
                other
                for other, one in known.items()
                if not one.options
                and method in _methods_in(hparams / one.folder)
            ]
            raise InputError(
                f"--methods: {name} has no {method}."
                + did_you_mean(method, there)
                + (
                    f" Those that have it: {', '.join(others)}."
                    if others
                    else ""
                )
                + f" {name} has: {', '.join(there)}"
            )
    return [f"{folder}/{method}".lstrip("/") for method in wanted]


def _methods_in(folder):
    return sorted(p.stem for p in folder.glob("*.yaml") if p.name != BASE)
