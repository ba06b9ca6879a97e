"""Pretrained weights for encoders: rename, check, resize, one strict load.

Published weights of the AST come from https://github.com/YuanGongND/ast and, converted,
from https://huggingface.co/MIT.
"""

import re
from pathlib import Path

from safetensors.torch import save_file

from ..errors import InputError
from ..lobes.ast import AST
from ..lobes.beats import BEATs
from ..lobes.wav2vec2 import Wav2Vec2
from ..lobes.whisper import Whisper
from .bundles import is_bundle
from .convert_ast import (
    CONVERTERS as AST_CONVERTERS,
    kind_of,
)
from .convert_speech import from_beats, from_wav2vec2
from .convert_whisper import from_whisper
from .fitting import STATED, fit_positions
from .positions import axes_of
from .sources import ACCEPTED, read_config, read_state

FORMAT = "speechbrain_petl"
# class of an encoder -> (encoder, state, metadata) to a state of its names
CONVERTERS = {
    Wav2Vec2: from_wav2vec2,
    BEATs: from_beats,
    Whisper: from_whisper,
}
SHOWN = 3  # keys of each kind in an error message


def load_pretrained(encoder, source, revision=None):
    """Load pretrained weights into an encoder.

    The AST takes them at any input length and stride; a file that does not
    state its strides must have as many patches as one of the published
    AudioSet models, or as the encoder. Another encoder may translate names
    by a method of its own, see ``lobes.encoder``.

    Arguments
    ---------
    encoder : torch.nn.Module
        The encoder, changed in place. Load before a method is attached.
    source : str, os.PathLike or None
        Id of a Hugging Face repository, a folder, a file, or the name of a
        bundle of torchaudio. For the AST, one of Hugging Face, the official
        .pth, distilled DeiT weights of timm; for speech encoders, one of
        Hugging Face or torchaudio, the original BEATs; for all, a file of
        `save_pretrained`. None or "" keeps the random weights.
    revision : str or None
        Branch, tag or commit of the repository.

    Returns
    -------
    torch.nn.Module
        The encoder.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import AST
    >>> size = (32, 1, 2)
    >>> path = getfixture("tmp_path") / "ast.safetensors"
    >>> _ = save_pretrained(AST(size, frames=100), path)
    >>> longer = load_pretrained(AST(size, frames=300), path)
    >>> longer(torch.randn(2, 300, 128)).shape
    torch.Size([2, 350, 32])
    """
    encoder.pretrained = bool(source)  # else its weights are nobody else's
    if not encoder.pretrained:
        return encoder
    if not isinstance(source, (str, Path)):
        raise InputError(f"source={source}: give a name, a file or a folder")
    file, state, metadata = read_state(source, revision)
    if isinstance(encoder, AST):
        state = _for_ast(encoder, state, metadata, file)
    else:
        beside = {} if is_bundle(source) else read_config(file)
        try:
            state = _converted(encoder, state, {**beside, **metadata})
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        _check_fit(state, encoder, file)
    encoder.load_state_dict(state, strict=True)
    return encoder


def _converted(encoder, state, metadata):
    """With the encoder's names, by its own method or by the table."""
    if hasattr(encoder, "translate"):
        return encoder.translate(state, metadata)
    for kind, convert in CONVERTERS.items():
        if isinstance(encoder, kind):
            return convert(encoder, state, metadata)
    return state


def _for_ast(encoder, state, metadata, file):
    """With our names, and positions for the input of this encoder."""
    kind = kind_of(state)
    if kind is None:
        raise InputError(
            f"{file} holds no weights of an AST: it has {_few(state)}. "
            f"{ACCEPTED}"
        )
    state = AST_CONVERTERS[kind](state)
    _check_fit(state, encoder, file)
    if kind == "huggingface":
        metadata = read_config(file)
    return fit_positions(encoder, state, kind, metadata, file)


def save_pretrained(encoder, path):
    """Write an encoder to one file; an AST with the input it was built for.

    Arguments
    ---------
    encoder : torch.nn.Module
        The encoder.
    path : str or os.PathLike
        The file; its name ends in .safetensors.

    Returns
    -------
    pathlib.Path
        The file.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> encoder = AST((32, 1, 2), frames=64)
    >>> path = getfixture("tmp_path") / "ast.safetensors"
    >>> file, state, metadata = read_state(save_pretrained(encoder, path))
    >>> state["pos_embed"].shape
    torch.Size([1, 62, 32])
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(
            f"weights cannot be saved as {path}: the name must end in "
            ".safetensors, which keeps the strides beside the weights"
        )
    metadata = {"format": FORMAT}
    if isinstance(encoder, AST):
        (mels, fstride), (frames, tstride) = axes_of(encoder)
        stated = zip(STATED["ours"], (mels, fstride, frames, tstride))
        metadata |= {k: str(v) for k, v in stated}
    state = {k: v.contiguous() for k, v in encoder.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata)
    return path


def _check_fit(state, encoder, file):
    """Names and shapes, but for the number of positions."""
    own = {k: _shape(k, v) for k, v in encoder.state_dict().items()}
    read = {k: _shape(k, v) for k, v in state.items()}
    problems = {
        "missing": [k for k in own if k not in read],
        "unexpected": [k for k in read if k not in own],
        "of another shape": [
            f"{k} {read[k]} instead of {own[k]}"
            for k in own
            if k in read and read[k] != own[k]
        ],
    }
    if any(problems.values()):
        found = "; ".join(f"{k}: {_few(v)}" for k, v in problems.items() if v)
        raise InputError(
            f"{file} does not fit {type(encoder).__name__} of dim "
            f"{encoder.dim}{_depth(own)}: {found}. Set `ast_size` or "
            "`encoder_size` to the size of the checkpoint, or name another. "
            f"{ACCEPTED}"
        )


def _depth(names):
    numbers = [
        re.findall(r"(?<![^.])(?:blocks|layers)\.(\d+)", n) for n in names
    ]
    depth = max((int(found[0]) + 1 for found in numbers if found), default=0)
    return f" and depth {depth}" if depth else ""


def _shape(key, tensor):
    shape = list(tensor.shape)
    if key == "pos_embed":
        shape[1:2] = ["token"]
    return "(" + ", ".join(map(str, shape)) + ")"


def _few(names):
    names = list(names)
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
