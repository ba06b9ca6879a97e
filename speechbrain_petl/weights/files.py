"""From a file to tensors: a state dict out of whatever was saved around it.

Weights in several files are read by the index that Hugging Face writes.
"""

import argparse
import json
import re
from pathlib import Path, PosixPath

import numpy as np
import torch
from safetensors import safe_open

from ..errors import InputError

STATED = ("cfg", "dims", "config")  # of BEATs and EAT, Whisper, Dasheng
TEACHER = "_ema"  # in fairseq's state dicts, besides their tensors
INDEX = ".index.json"  # which of several files has a tensor
ACCEPTED = (
    "Accepted are, for the AST, one of Hugging Face, the official .pth and "
    "distilled DeiT weights of timm; for speech encoders, those of Hugging "
    "Face, torchaudio, the original BEATs and Whisper; for ViT, those of "
    "Hugging Face and of its authors; and a file of `save_pretrained`."
)
# what training loops save beside weights, and what no code of others builds:
# options of the command line, figures of numpy; by the names of old versions, too
_SCALAR, _ARRAY = (x.__reduce__()[0] for x in (np.float64(0), np.zeros(1)))
HARMLESS = [
    *(argparse.Namespace, np.ndarray, np.dtype),
    *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"),
    *((PosixPath, f"pathlib{part}.PosixPath") for part in ("", "._local")),
    *((_SCALAR, f"numpy.{c}.multiarray.scalar") for c in ("core", "_core")),
    *(
        (_ARRAY, f"numpy.{c}.multiarray._reconstruct")
        for c in ("core", "_core")
    ),
]


def read_file(file):
    """Read the tensors of a file, as they are named there.

    Arguments
    ---------
    file : pathlib.Path
        Of safetensors, of torch.save, or an index of several of them.

    Returns
    -------
    tuple
        Its state dict; what it states about them.

    Example
    -------
    >>> path = getfixture("tmp_path") / "weights.pt"
    >>> torch.save({"model": {"bias": torch.ones(2)}, "epoch": 3}, path)
    >>> read_file(path)
    ({'bias': tensor([1., 1.])}, {})
    """
    if file.name.endswith(INDEX):
        shards = [read_file(shard) for shard in shards_of(file)]
        return {k: v for state, _ in shards for k, v in state.items()}, {}
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                metadata = opened.metadata() or {}
                state = {k: opened.get_tensor(k) for k in opened.keys()}
        else:
            with torch.serialization.safe_globals(HARMLESS):
                state = torch.load(file, map_location="cpu", weights_only=True)
            metadata = _stated(state)
    # torch raises any of nine exceptions, by where the damage is
    except Exception as error:
        raise InputError(_what_it_is(file, error)) from error
    return _unwrap(state, file), metadata


def shards_of(index):
    """The files that an index names, all of them beside it.

    Example
    -------
    >>> path = getfixture("tmp_path") / "model.safetensors.index.json"
    >>> _ = path.write_text('{"weight_map": {"a": "1.bin", "b": "1.bin"}}')
    >>> [shard.name for shard in shards_of(path)]
    ['1.bin']
    """
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted({Path(name).name for name in named.values()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{index} names no files of weights ({first_sentence(error)}): "
            "fetch it again from where the weights come from"
        ) from error
    return [index.with_name(name) for name in names]


def first_sentence(error):
    """Of an exception; torch's second advises to load the file unsafely.

    Example
    -------
    >>> first_sentence(ValueError("No. Do this."))
    'No'
    """
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(". ")[0]


def _what_it_is(file, error):
    """Why a file cannot be read, in a sentence."""
    if not file.exists():
        return f"{file} is missing, which an index names: fetch it, too"
    found = re.search(r"GLOBAL (\S+)", str(error))
    if found:
        return (
            f"{file} cannot be read as weights: it holds more than tensors, "
            f"such as {found[1]}, which could run any code: let who has made it "
            f"save the state dict alone. {ACCEPTED}"
        )
    return (
        f"{file} cannot be read as weights ({first_sentence(error)}): "
        "it is cut short, a git-lfs pointer, or holds more than tensors; "
        f"fetch it again. {ACCEPTED}"
    )


def _stated(saved):
    """The sizes that a file of torch.save has beside its weights."""
    found = [saved.get(k) for k in STATED] if isinstance(saved, dict) else []
    return next((s for s in found if isinstance(s, dict)), {})


def _unwrap(saved, file):
    """The dictionary of tensors, also out of {"model": ...} and the like.

    An optimizer's, or a head's, has few; those of two models are as many.
    """
    found = dict(_states(saved))
    most = max(map(len, found.values()), default=0)
    models = [name for name, state in found.items() if 2 * len(state) > most]
    if len(models) > 1:
        raise InputError(
            f"{file}: two models are in it, {' and '.join(models)}, of which "
            "one may be the average (EMA): save the state dict of the one"
        )
    if models:
        return found[models[0]]
    raise InputError(
        f"{file} holds no state dict, a dictionary of tensors. {ACCEPTED}"
    )


def _states(saved, name=""):
    """Every dictionary of tensors, these alone, and the keys that lead to it.

    A state dict may hold a module's `get_extra_state`, or the epoch; what has
    more of such than of tensors is an optimizer's, or a loop's.
    """
    if not isinstance(saved, dict) or not saved:
        return
    if not all(isinstance(key, str) for key in saved):
        return
    saved = {key: value for key, value in saved.items() if key != TEACHER}
    tensors = {k: v for k, v in saved.items() if isinstance(v, torch.Tensor)}
    if 2 * len(tensors) > len(saved):
        yield name, tensors
    for key, inner in saved.items():
        yield from _states(inner, f"{name}.{key}" if name else key)
