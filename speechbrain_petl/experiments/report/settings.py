"""The settings of finished runs, and in what they differ."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ...errors import InputError
from ...recipe.method_files import BASE
from ...recipe.settings import HYPERPARAMS, MAY_CHANGE

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
    tree = load(Path(folder) / HYPERPARAMS)
    own = tree.get("output_folder")
    flat = dict(flatten(tree))
    if not own:
        return flat
    return {key: value.replace(str(own), ".") for key, value in flat.items()}


def load(path):
    """A yaml file with its tags, which are not executed.

    Arguments
    ---------
    path : str
        The file.

    Returns
    -------
    dict
        As ruamel.yaml reads it.
    """
    try:
        tree = YAML().load(Path(path).read_text(encoding="utf-8"))
    except (YAMLError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise InputError(f"{path} is no valid yaml: {line}")
    if not isinstance(tree, dict):
        raise InputError(f"{path} is no set of `key: value`")
    return tree


def flatten(tree, prefix=""):
    """The leaves of a yaml tree.

    Arguments
    ---------
    tree : dict
        As ``load`` reads it.
    prefix : str
        Of the keys.

    Yields
    ------
    tuple
        (dotted key, value as text), without what is the run's own.
    """
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if key in OWN or str(key).startswith("__"):
            continue
        tag = getattr(getattr(value, "tag", None), "value", None)
        if isinstance(value, dict):
            if tag:
                yield name, str(tag)
            yield from flatten(value, f"{name}.")
        elif isinstance(value, list) and any(
            isinstance(v, dict) for v in value
        ):
            steps = {i + 1: v for i, v in enumerate(value)}
            yield from flatten(steps, f"{name}.")
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
    if not (folder / BASE).is_file():
        raise InputError(f"{recipe} is no recipe: it has no hparams/{BASE}")
    files = sorted(folder.rglob("*.yaml"))
    bases = [dict(flatten(load(p))) for p in files if p.name == BASE]
    methods = [load(p) for p in files if p.name != BASE]
    return bases, {key for method in methods for key in method}


def nearest(bases, settings):
    """The base.yaml that a run was of.

    Arguments
    ---------
    bases : list of dict
        Of ``defaults``.
    settings : dict
        Of the run.

    Returns
    -------
    dict
        The one with the fewest differences.

    Example
    -------
    >>> nearest([{"lr": "1", "net": "!new:A"}, {"net": "!new:B"}], {"lr": "1"})
    {'lr': '1', 'net': '!new:A'}
    """
    return min(bases, key=lambda base: len(base.items() ^ settings.items()))


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
