"""Classes of a base.yaml that a method file or an option replaces by others.

HyperPyYAML merges ``!new:A {...}`` into ``!new:B {...}`` and makes a B, and cannot
put a mapping in the place of a scalar. Where an override wants that, the base is
written anew, with what replaces its own.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

from ..errors import InputError
from .yaml_files import dump_yaml, load_yaml, tag_of

MADE = ("!new:", "!name:", "!apply:")


def with_replaced(base, overrides, base_file):
    """A base.yaml that HyperPyYAML can put overrides over.

    Arguments
    ---------
    base : dict
        As ``read_yaml`` returns it; what is replaced, is replaced in it.
    overrides : dict
        What is to be put over it.
    base_file : str or os.PathLike
        Where it comes from.

    Returns
    -------
    str or os.PathLike
        The same, or a file that lives as long as this process.

    Example
    -------
    >>> base = load_yaml("loss: !name:torch.nn.functional.l1_loss", "base.yaml")
    >>> more = load_yaml(
    ...     "loss: !name:torch.nn.functional.huber_loss {delta: 2}", ""
    ... )
    >>> print(Path(with_replaced(base, more, "base.yaml")).read_text().strip())
    loss: !name:torch.nn.functional.huber_loss {delta: 2}
    >>> with_replaced(base, {}, "base.yaml")
    'base.yaml'
    """
    if not _replace(base, overrides, base_file):
        return base_file
    folder = tempfile.mkdtemp(prefix="speechbrain_petl_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / Path(base_file).name
    path.write_text(dump_yaml(base) + "\n", encoding="utf-8")
    return path


def _replace(base, overrides, base_file):
    """Put into a base what HyperPyYAML would lose: how often that was."""
    replaced = 0
    for key, value in overrides.items():
        if not isinstance(value, dict) or key not in base:
            continue
        old, tag = base[key], tag_of(value)
        if isinstance(old, dict) and tag in (None, tag_of(old)):
            replaced += _replace(old, value, base_file)
            continue
        if not tag and not str(tag_of(old)).startswith(MADE):
            raise InputError(
                f"{key}: a mapping cannot replace `{old}`. Change it in "
                f"{base_file}."
            )
        if not tag:  # arguments of a class that had none
            value = load_yaml(f"x: {tag_of(old)} {{}}", base_file)["x"]
            value.update(overrides[key])
        base[key] = value
        replaced += 1
    return replaced
