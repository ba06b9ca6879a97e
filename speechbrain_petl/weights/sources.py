"""From a name to tensors: find a checkpoint on disk or on the hub, read it."""

import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from ..errors import InputError
from .bundles import bundles_like, is_bundle, read_bundle
from .files import ACCEPTED, INDEX, first_sentence, read_file, shards_of

WHOLE = ("model.safetensors", "pytorch_model.bin")  # as hubs name them
WEIGHT_FILES = tuple(name + part for name in WHOLE for part in ("", INDEX))
CONFIG, FRONT_END = "config.json", "preprocessor_config.json"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
CKPT = ".ckpt"  # Lightning's; SpeechBrain has it for what is no model, too


def read_state(source, revision=None):
    """Read the tensors of a checkpoint, as they are named there.

    Arguments
    ---------
    source : str or os.PathLike
        A file, a folder, the id of a Hugging Face repository, or the name of
        a bundle of torchaudio.
    revision : str or None
        Branch, tag or commit of that repository.

    Returns
    -------
    tuple
        The file; its state dict; what it states about them: the metadata of
        a .safetensors, the "cfg", "dims" or "config" of another.

    Example
    -------
    >>> import torch
    >>> path = getfixture("tmp_path") / "weights.pt"
    >>> torch.save({"bias": torch.ones(2)}, path)
    >>> file, state, metadata = read_state(path)
    >>> state["bias"].shape
    torch.Size([2])
    """
    if is_bundle(source):
        return source, read_bundle(source), {}
    file = _find(source, revision)
    return file, *read_file(file)


def read_config(file, name=CONFIG):
    """What a json file beside a file of weights holds; {} if there is none.

    What is null there is not stated.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "config.json").write_text('{"max_length": 1024}')
    >>> read_config(folder / "model.safetensors")
    {'max_length': 1024}
    """
    path = Path(file).with_name(name)
    if not path.is_file():
        return {}
    try:
        held = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a JSON object ({first_sentence(error)}): fetch it "
            "again from where the weights come from"
        ) from error
    return {key: value for key, value in held.items() if value is not None}


def _find(source, revision):
    """The file of weights, downloaded if need be."""
    path = Path(source).expanduser()
    if path.is_dir():
        return _find_in_folder(path)
    if path.is_file():
        return path
    if looks_like_path(source):
        raise InputError(
            f"there is no file or folder {path} to load weights from: "
            f"correct the path, or give the id of a repository. {ACCEPTED}"
        )
    return _download(source, revision)


def looks_like_path(source):
    """Whether a user meant a file, so that the hub must not be asked.

    Example
    -------
    >>> looks_like_path("./weights"), looks_like_path("MIT/weights")
    (True, False)
    >>> looks_like_path("results/lora/1")  # ids of the hub have one slash
    True
    """
    if isinstance(source, os.PathLike) or source.count("/") > 1:
        return True
    return source.startswith((".", "/", "~", os.sep)) or source.endswith(
        (*SUFFIXES, CKPT)
    )


def _find_in_folder(folder):
    """The file of weights that a hub would name, or the only one."""
    files = sorted(path.name for path in folder.iterdir())
    names = [name for name in files if name.endswith(SUFFIXES)]
    names = names or [name for name in files if name.endswith(CKPT)]
    for name in WEIGHT_FILES:
        if name in files:
            return folder / name
    if len(names) == 1:
        return folder / names[0]
    if names:
        raise InputError(
            f"{folder} holds {', '.join(names)}: name the one file to load"
        )
    raise InputError(
        f"{folder} holds no weights, neither {' nor '.join(WHOLE)} "
        f"nor another file that ends in {', '.join(SUFFIXES)}. {ACCEPTED}"
    )


def _download(repository, revision):
    # each version of the hub's client has its own network errors (requests,
    # httpx, ...), so whatever it raises becomes the one message a user needs
    try:
        return _fetch(repository, revision)
    except Exception as error:
        meant = "" if "/" in repository else bundles_like(repository)
        raise InputError(
            f"{repository!r} is no file or folder here, and as a repository "
            f"of the Hugging Face hub it is out of reach: {_reason(error)}. "
            "Download it where there is internet and give the folder: "
            f"--source=/path/to/folder.{meant}"
        ) from error


def _fetch(repository, revision):
    fetch = partial(
        huggingface_hub.hf_hub_download, repository, revision=revision
    )
    for name in WEIGHT_FILES:
        try:
            file = Path(fetch(name))
            break
        except EntryNotFoundError as error:
            if name == WEIGHT_FILES[-1]:
                raise
            if isinstance(error, LocalEntryNotFoundError):
                # no connection: only the cache is asked for the other names
                fetch.keywords["local_files_only"] = True
    for shard in shards_of(file) if file.name.endswith(INDEX) else ():
        fetch(shard.name)
    for name in (CONFIG, FRONT_END):  # weights may do without them
        with suppress(EntryNotFoundError):
            fetch(name)
    return file


def _reason(error):
    if isinstance(error, (LocalEntryNotFoundError, OfflineModeIsEnabled)):
        return "no connection (offline), and it is not in the cache"
    if isinstance(error, EntryNotFoundError):
        return f"it holds neither {' nor '.join(WHOLE)}"
    if isinstance(error, RepositoryNotFoundError):
        return "there is no such repository, or it is private"
    return f"{type(error).__name__}: {first_sentence(error)}"
