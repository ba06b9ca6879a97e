"""Reading a finished run, an adapter folder, or a repository of the hub.

An adapter folder holds adapter.json, the description, and adapter.safetensors,
the learned tensors.
"""

import json
from contextlib import suppress
from pathlib import Path

from speechbrain.utils.fetching import fetch

from ..data.checksums import check_seal, check_sum
from ..errors import InputError
from ..recipe.moved import renew
from ..recipe.settings import HYPERPARAMS as HPARAMS
from ..training.results import RESULT, check_settings, read_result
from ..weights.adapter_files import FORMAT, WEIGHTS, digest_of, read_weights
from ..weights.kept_base import BASE, FOLDER
from .description import check, describe
from .saved import Saved
from .tagger import is_checkpoint, read_tagger

DESCRIPTION = "adapter.json"
KEPT = "keeps_base"  # of a description: whether BASE lies beside it


class NotFetched(InputError):
    """A repository that has no such file, or is out of reach."""


def read_run(folder, trust=False):
    """Read a finished run.

    Arguments
    ---------
    folder : str or os.PathLike
        The output_folder of the run.
    trust : bool
        Build classes of any package, as the run's own code did.

    Returns
    -------
    Saved
        What it has learned.
    """
    folder = Path(folder).expanduser()
    if not (folder / HPARAMS).is_file():
        what = f"holds no {HPARAMS}" if folder.is_dir() else "is no folder"
        raise InputError(
            f"{folder} {what}: give the output_folder of a finished run"
        )
    if not (folder / RESULT).is_file():
        raise InputError(
            f"{folder} holds no {RESULT}, as a finished run has, and no "
            f"{DESCRIPTION}, as an adapter has. A run goes on by the command "
            "that started it."
        )
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(
            f"{folder} holds no {WEIGHTS}: its command with --test_only added "
            "writes one"
        )
    result = read_result(folder / RESULT)
    check_settings(result, folder)
    description = describe(folder / HPARAMS)
    learned = read_weights(weights)
    check_sum(result, weights, found=digest_of(*learned))
    kept = None if description["source"] else folder / FOLDER / BASE
    return Saved(description, *learned, str(folder), trust, kept)


def read_adapter(source, trust=False, **fetching):
    """Read an adapter folder, from here or from the Hugging Face hub.

    Arguments
    ---------
    source : str or os.PathLike
        A folder, or the id of a repository.
    trust : bool
        Build classes of any package.
    **fetching : dict
        As for ``speechbrain.utils.fetching.fetch``: savedir, fetch_config, ...

    Returns
    -------
    Saved
        What was learned.
    """
    path = _file(source, DESCRIPTION, fetching)
    try:
        described = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} describes no adapter: {error}")
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise InputError(f"{path} describes no adapter: it is not {FORMAT!r}")
    described = renew(described)
    check_seal(described, path)
    check(described, path)
    weights = _file(source, WEIGHTS, fetching)
    learned = read_weights(weights)
    check_sum(described, weights, WEIGHTS, digest_of(*learned))
    kept = _file(source, BASE, fetching) if described.get(KEPT) else None
    return Saved(described, *learned, str(source), trust, kept)


def read_saved(source, trust=False, **fetching):
    """Read a finished run, an adapter or an AST with its head.

    Arguments
    ---------
    source, trust, **fetching
        As for ``read_run``, ``read_adapter`` or ``tagger.read_tagger``.

    Returns
    -------
    Saved
        What was learned.
    """
    folder = Path(source).expanduser()
    adapter = (folder / DESCRIPTION).is_file()  # has HPARAMS, too: see stock.py
    if (folder / HPARAMS).is_file() and not adapter:
        return read_run(source, trust)
    if is_checkpoint(source):
        return read_tagger(source)
    try:
        return read_adapter(source, trust, **fetching)
    except NotFetched as error:
        with suppress(InputError):
            return read_tagger(source)
        raise error


def _file(source, name, fetching):
    folder = Path(source).expanduser()
    if folder.is_dir():
        if (folder / name).is_file():
            return folder / name
        raise InputError(
            f"{folder} holds neither {name} nor {HPARAMS}: give a finished "
            "run, or a folder that sbpetl share has written"
        )
    if str(source).startswith((".", "/", "~")) or str(source).count("/") != 1:
        raise InputError(f"there is no folder {source}")
    # each version of the hub's client has its own network errors
    try:
        return fetch(name, str(source), **fetching)
    except Exception as error:
        reason = str(error).splitlines() or [""]
        raise NotFetched(
            f"{source} is no folder here, and its {name} cannot be fetched "
            f"from the Hugging Face hub: {type(error).__name__}: {reason[0]}"
        ) from error
