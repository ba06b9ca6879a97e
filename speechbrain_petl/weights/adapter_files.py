"""adapter.safetensors: what a run has learned, and of which base it is a part.

The learned tensors alone, a hash of the frozen ones that they belong to, and
how logits become probabilities. Nothing in the file can run code.
"""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..adapters.fusion import ways_of
from ..errors import InputError

WEIGHTS = "adapter.safetensors"
FORMAT = "speechbrain_petl adapter 1"
HASH, SIZE = "base_sha256", "base_parameters"
ACTIVATION, TEMPERATURE, WAYS = "activation", "temperature", "ways"


def save_weights(path, modules, activation="softmax", temperature=1.0):
    """Write the learned tensors of some modules to one file.

    Arguments
    ---------
    path : str or os.PathLike
        The file.
    modules : dict
        Name -> module: "encoder", an AdaptedEncoder, and others in full.
    activation : str
        What makes probabilities of the logits: "softmax" or "sigmoid".
    temperature : float
        That the logits are divided by before.

    Example
    -------
    >>> from speechbrain_petl import AST, AdaptedEncoder
    >>> encoder = AdaptedEncoder(AST((32, 2, 2), frames=64), train=["norm.*"])
    >>> path = getfixture("tmp_path") / WEIGHTS
    >>> save_weights(path, {"encoder": encoder})
    >>> tensors, metadata = read_weights(path)
    >>> {name: tuple(x.shape) for name, x in tensors["encoder"].items()}
    {'encoder.norm.bias': (32,), 'encoder.norm.weight': (32,)}
    """
    metadata = {"format": FORMAT, ACTIVATION: activation}
    metadata[TEMPERATURE] = repr(temperature)
    tensors = {n: _once(_learned(module)) for n, module in modules.items()}
    encoder = modules.get("encoder")
    if hasattr(encoder, "adapter_state"):
        metadata |= fingerprint(encoder)
        metadata[WAYS] = json.dumps(ways_of(encoder))
    write_weights(path, tensors, metadata)


def write_weights(path, tensors, metadata):
    """Write what ``read_weights`` returns.

    Arguments
    ---------
    path, tensors, metadata
        As for ``read_weights``, and as it returns them.
    """
    flat = {
        f"{module}.{name}": value.detach().cpu().contiguous()
        for module, state in tensors.items()
        for name, value in state.items()
    }
    # save_file would make it readable to its owner alone
    Path(f"{path}.part").write_bytes(save(flat, metadata))
    os.replace(f"{path}.part", path)


def read_weights(path):
    """Read what ``save_weights`` wrote.

    Arguments
    ---------
    path : str or os.PathLike
        The file.

    Returns
    -------
    tensors : dict
        Name of the module -> name -> tensor.
    metadata : dict
        The activation, the temperature (not in those of version 0.1), hash
        and size of the base, in which ways adapters are attached.
    """
    tensors = {}
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            for key in file.keys():
                module, _, name = key.partition(".")
                tensors.setdefault(module, {})[name] = file.get_tensor(key)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read as an adapter ({error}): it is cut short, "
            "or a git-lfs pointer. Copy it again, or write it anew with the "
            "command of the run and --test_only."
        )
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} holds no adapter: its format is "
            f"{metadata.get('format')!r}, not {FORMAT!r}"
        )
    return tensors, metadata


def digest_of(tensors, metadata):
    """A checksum of what a file of learned tensors holds.

    Not of its bytes: safetensors writes the metadata in any order.

    Arguments
    ---------
    tensors : dict
        As ``read_weights`` returns them.
    metadata : dict
        As ``read_weights`` returns it.

    Returns
    -------
    str
        64 hexadecimal digits.

    Example
    -------
    >>> one, other = (
    ...     digest_of({"a": {"b": torch.ones(n)}}, {}) for n in (1, 2)
    ... )
    >>> len(one), one == other
    (64, False)
    """
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for module, state in sorted(tensors.items()):
        for name, value in sorted(state.items()):
            _add(digest, f"{module}.{name}", value)
    return digest.hexdigest()


def load_weights(modules, tensors, metadata, source):
    """Load what ``read_weights`` returned, onto the base it belongs to only.

    What a method trains becomes the encoder's own, so that several of them
    can share the tensors of one base.

    Arguments
    ---------
    modules : dict
        Name -> module, as they were saved, with the base's weights.
    tensors : dict
        Name of the module -> name -> tensor.
    metadata : dict
        With the hash of the base.
    source : str
        Where they come from, for the error messages.
    """
    encoder = modules["encoder"]
    own = {k: v.clone() for k, v in encoder.adapter_state().items()}
    encoder.load_state_dict(own, strict=False, assign=True)
    for name, module in modules.items():
        learned = _learned(module)
        state = _everywhere(tensors.get(name, {}), learned)
        if name == "encoder":
            encoder.load_adapter_state(state, source)
        elif _shapes(state) == _shapes(learned):
            module.load_state_dict(state)
        else:
            raise InputError(
                f"{source}: its {name} has {_shapes(state)}, the description "
                f"beside it makes {_shapes(learned)}. They belong to two runs."
            )
    _check_base(encoder, metadata, source)


def fingerprint(encoder, learned=None):
    """Hash and size of the weights that an adapter needs and does not hold.

    Arguments
    ---------
    encoder : AdaptedEncoder
        With the base's weights.
    learned : set of str, optional
        Names that are none of the base's; by default what it has learned.

    Returns
    -------
    dict
        Of str: SHA-256 of names, shapes and values; number of parameters.
    """
    digest, size = hashlib.sha256(), 0
    learned = encoder.adapter_state() if learned is None else learned
    for name, value in sorted(encoder.state_dict().items()):
        if name not in learned:
            _add(digest, name, value)
            size += value.numel()
    return {HASH: digest.hexdigest(), SIZE: str(size)}


def _add(digest, name, value):
    digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
    flat = value.detach().cpu().contiguous().flatten()
    digest.update(memoryview(flat.view(torch.uint8).numpy()))


def _check_base(encoder, metadata, source):
    found = fingerprint(encoder)
    if found[SIZE] != metadata.get(SIZE):
        what = f"{metadata.get(SIZE)} frozen parameters, not {found[SIZE]}"
    elif found[HASH] != metadata.get(HASH):
        what = f"the hash {metadata.get(HASH)[:12]}, not {found[HASH][:12]}"
    else:
        return
    raise InputError(
        f"{source} was trained on another base than these weights: its base "
        f"has {what}. Give the base that it names, in the same version."
    )


def _learned(module):
    """Name -> tensor: of an AdaptedEncoder without the frozen ones."""
    return getattr(module, "adapter_state", module.state_dict)()


def _once(state):
    """Without the names of tensors that modules share, but for the first."""
    first = {value.data_ptr(): name for name, value in reversed(state.items())}
    return {k: v for k, v in state.items() if first[v.data_ptr()] == k}


def _everywhere(state, learned):
    """With the names that ``_once`` has left out."""
    first = {v.data_ptr(): k for k, v in reversed(learned.items())}
    aliases = {k: first[v.data_ptr()] for k, v in learned.items()}
    return {**state, **{k: state[n] for k, n in aliases.items() if n in state}}


def _shapes(state):
    return {name: tuple(value.shape) for name, value in sorted(state.items())}


def weights_beside(path):
    """The adapter.safetensors of the run of a result.json."""
    return str(Path(path).with_name(WEIGHTS))
