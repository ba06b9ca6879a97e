"""The settings of finished runs, and in what they differ."""

from pathlib import Path

from ...errors import InputError
from ...recipe.comparing import MAY_CHANGE
from ...recipe.method_files import BASE
from ...recipe.settings import HYPERPARAMS
from ...recipe.yaml_files import load_yaml, read_yaml, tag_of

# what may differ between the runs of a mean, or is in their identity
OWN = MAY_CHANGE | {"fold", "seed", "split_seed", "result", "output_folder"}
SHORT = 60  # letters of a value in a note


def read_settings(folder):
    """The resolved yaml of a run, without what is the run's own.

    Arguments
    ---------
    folder : str
        The run's.

    Returns
    -------
    dict
        Dotted key -> value as text, such as ``encoder.size`` -> "base384".
        Paths below the run's folder are written from there.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> text = "seed: 1\\nlr: 0.1\\nnet: !new:AST\\n    size: [8, 1, 1]"
    >>> _ = (folder / "hyperparams.yaml").write_text(text)
    >>> read_settings(folder)
    {'lr': '0.1', 'net': '!new:AST', 'net.size': '[8, 1, 1]'}
    """
    tree = read_yaml(Path(folder) / HYPERPARAMS)
    own = tree.get("output_folder")
    flat = dict(_flatten(tree))
    if not own:
        return flat
    return {key: value.replace(str(own), ".") for key, value in flat.items()}


def _flatten(tree, prefix="", seen=None):
    """Pairs of (dotted key, value as text), without what is the run's own.

    What an alias of the yaml repeats is named where it stands first.
    """
    seen = {} if seen is None else seen
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if key in OWN or str(key).startswith("__") or id(value) in seen:
            continue
        tag = tag_of(value)
        if isinstance(value, (dict, list)):
            seen[id(value)] = value
        if isinstance(value, dict):
            if tag:
                yield name, str(tag)
            yield from _flatten(value, f"{name}.", seen)
        elif isinstance(value, list) and any(
            isinstance(v, dict) for v in value
        ):
            steps = {i + 1: v for i, v in enumerate(value)}
            yield from _flatten(steps, f"{name}.", seen)
        else:
            yield name, _text(value, tag)


def differences(trees):
    """In what some runs' settings differ.

    Arguments
    ---------
    trees : list of dict
        As ``read_settings`` returns them.

    Returns
    -------
    dict
        Key -> the value of each run. A nested value that only refers to one
        at the top is left out.

    Example
    -------
    >>> a, b = {"lr": "0.1", "opt.lr": "0.1"}, {"lr": "0.2", "opt.lr": "0.2"}
    >>> differences([a, b, b])
    {'lr': ['0.1', '0.2', '0.2']}
    """
    found = {}
    for key in sorted(set().union(*trees)):
        values = [tree.get(key, "missing") for tree in trees]
        if len(set(values)) > 1:
            found[key] = values
    top = [values for key, values in found.items() if "." not in key]
    return {
        key: values
        for key, values in found.items()
        if "." not in key or values not in top
    }


def defaults(recipe):
    """What a recipe's base.yaml files say, and what its method files change.

    Arguments
    ---------
    recipe : str
        The recipe's folder.

    Returns
    -------
    bases : list of dict
        Dotted key -> value as text, of each base.yaml.
    of_methods : set of str
        Top-level keys of the method files.
    """
    folder = Path(recipe) / "hparams"
    files = sorted(folder.rglob("*.yaml"))  # of `sbpetl export` without a base
    if not files:
        raise InputError(f"{recipe} is no recipe: it has no hparams/{BASE}")
    trees = [(p, load_yaml(p.read_text(encoding="utf-8"), p)) for p in files]
    bases = [dict(_flatten(tree)) for p, tree in trees if p.name == BASE]
    return bases, {key for p, tree in trees if p.name != BASE for key in tree}


def shorten(value):
    """A setting for a note: of a path the last part, and not too long.

    Arguments
    ---------
    value : str
        The setting.

    Returns
    -------
    str
        The same, shorter.

    Example
    -------
    >>> shorten("/home/me/source.safetensors")
    'source.safetensors'
    """
    if value.startswith(("/", "./", "../")):
        value = Path(value).name
    return value if len(value) <= SHORT else f"{value[: SHORT - 3]}..."


def _text(value, tag):
    if isinstance(value, list):
        text = f"[{', '.join(_text(v, None) for v in value)}]"
    else:
        text = "null" if value is None else str(getattr(value, "value", value))
    return f"{tag} {text}".strip() if tag and tag.startswith("!") else text
