"""base.safetensors: the frozen weights of a run whose base nobody else has.

A run with ``source: null`` draws them at random, and another version of torch
draws others: without them, what has been learned is lost.
"""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from speechbrain.utils.distributed import run_on_main

from ..errors import InputError
from .adapter_files import HASH, fingerprint

BASE = "base.safetensors"
FOLDER = "save"  # of a run folder: where it lies
FORMAT = "speechbrain_petl base 1"


def keep_random_base(encoder, folder, begun, name="encoder"):
    """Go on with the frozen weights of a run, if they were drawn at random.

    Arguments
    ---------
    encoder : torch.nn.Module
        Of the run, or its decoder; one that ``load_pretrained`` has found
        weights for, or that no method adapts, stays as it is.
    folder : str or os.PathLike
        Of the run.
    begun : bool
        Whether something has been learned on the base that is there; if not,
        it may be another seed's.
    name : str
        What the run calls it.
    """
    plain = getattr(encoder, "encoder", encoder)
    if getattr(plain, "pretrained", True) or not hasattr(
        encoder, "adapter_state"
    ):
        return
    file = BASE if name == "encoder" else f"{name}_{BASE}"
    path = Path(folder) / FOLDER / file
    run_on_main(keep_base, [encoder, path, begun])
    load_base(encoder, path)


def keep_base(encoder, path, begun=True):
    """Write the frozen weights once.

    Arguments
    ---------
    encoder : AdaptedEncoder
        With them.
    path : str or os.PathLike
        The file.
    begun : bool
        Whether the file stays, if it is there.

    Example
    -------
    >>> from speechbrain_petl import AST, AdaptedEncoder
    >>> path = getfixture("tmp_path") / BASE
    >>> encoders = [
    ...     AdaptedEncoder(AST((32, 2, 2), frames=64), train=["norm.*"])
    ...     for _ in range(2)
    ... ]
    >>> keep_base(encoders[0], path)
    >>> load_base(encoders[1], path)
    >>> fingerprint(encoders[0]) == fingerprint(encoders[1])
    True
    """
    frozen = _frozen(encoder)
    if begun and Path(path).is_file() or not frozen:
        return
    tensors = {k: v.detach().cpu().contiguous() for k, v in frozen.items()}
    part = Path(f"{path}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(save(tensors, {"format": FORMAT, **fingerprint(encoder)}))
    os.replace(part, path)


def load_base(encoder, path):
    """Load frozen weights in the place of those that were drawn.

    Arguments
    ---------
    encoder : AdaptedEncoder
        Changed in place.
    path : str or os.PathLike
        The file that ``keep_base`` wrote; nothing happens if it is not there,
        or of another method or size: what was learned says that by itself.
    """
    frozen = _frozen(encoder)
    if not Path(path).is_file() or not frozen:
        return
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            kept = {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read as weights: {error}")
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} holds no base: it is not {FORMAT!r}")
    if _shapes(kept) != _shapes(frozen):
        return
    with torch.no_grad():
        for name, value in frozen.items():
            value.copy_(kept[name])
    if fingerprint(encoder)[HASH] != metadata.get(HASH):
        raise InputError(
            f"{path} is damaged or has been altered: its checksum is another "
            "one. Copy it again from where it was whole."
        )


def _frozen(encoder):
    """Name -> tensor of what an adapter needs and does not hold."""
    learned = encoder.adapter_state()
    state = encoder.state_dict()
    return {name: v for name, v in state.items() if name not in learned}


def _shapes(state):
    return {name: tuple(value.shape) for name, value in sorted(state.items())}
