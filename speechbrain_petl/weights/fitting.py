"""The positions of AST weights from elsewhere, for the input of an encoder."""

import math

from ..errors import InputError
from ..lobes.sizes import CLASS_TOKENS
from .positions import Axis, axes_of, resize_positions, square_axes

# where a file states its axes: mels, mel stride, frames, frame stride
STATED = {
    "huggingface": (
        *("num_mel_bins", "frequency_stride"),
        *("max_length", "time_stride"),
    ),
    "ours": ("mels", "fstride", "frames", "tstride"),
}
# the published AST, for files that state nothing; their numbers of patches
# (1212, 850, 657, 512) differ, so that the number tells the stride
AUDIOSET_AXES = [(Axis(128, s), Axis(1024, s)) for s in (10, 12, 14, 16)]


def fit_positions(encoder, state, kind, metadata, source):
    """A state dict with positions for the input that an AST was built for.

    Arguments
    ---------
    encoder : torch.nn.Module
        The AST.
    state : dict
        Its names -> tensors.
    kind : str
        Where they are from, as ``kind_of`` says.
    metadata : dict
        What is stated beside them, such as a config.json.
    source : str or os.PathLike
        Where they are from, for the error message.

    Returns
    -------
    dict
        The same, with another "pos_embed".

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import AST
    >>> encoder = AST((32, 1, 2), frames=500)
    >>> audioset = {"pos_embed": torch.randn(1, 1214, 32)}
    >>> fitted = fit_positions(encoder, audioset, "official", {}, "a.pth")
    >>> fitted["pos_embed"].shape
    torch.Size([1, 590, 32])
    """
    table = state["pos_embed"]
    patches = table.shape[1] - CLASS_TOKENS
    candidates = _axes_of_table(kind, metadata, patches, encoder)
    old = pick(candidates, patches, source)
    return {
        **state,
        "pos_embed": resize_positions(table, old, axes_of(encoder)),
    }


def _axes_of_table(kind, metadata, patches, encoder):
    """What the axes of a position table may be, most likely first."""
    wanted = axes_of(encoder)
    if kind == "timm":
        return [square_axes(math.isqrt(max(patches, 0)), wanted)]
    return axes_stated(kind, metadata) or [*AUDIOSET_AXES, wanted]


def axes_stated(kind, metadata):
    """The axes that are stated beside weights, as a list of one; or [].

    Arguments
    ---------
    kind, metadata
        As for ``fit_positions``.

    Returns
    -------
    list of tuple of Axis
        The mel axis and the frame axis.

    Example
    -------
    >>> axes_stated("ours", {})
    []
    """
    names = STATED.get(kind, STATED["huggingface"])
    if all(name in metadata for name in names):
        stated = [int(metadata[name]) for name in names]
        mels, fstride, frames, tstride = stated
        return [(Axis(mels, fstride), Axis(frames, tstride))]
    return []


def pick(candidates, patches, file):
    """The axes that give a number of patches.

    Arguments
    ---------
    candidates : list of tuple of Axis
        What they may be.
    patches : int
        The number.
    file : str or os.PathLike
        For the error message.

    Returns
    -------
    tuple of Axis
        The first that fit.

    Example
    -------
    >>> pick(AUDIOSET_AXES, 512, "ast.pth")[1].stride
    16
    """
    for axes in candidates:
        if axes[0].patches * axes[1].patches == patches:
            return axes
    grids = " or ".join(f"{m.patches} x {f.patches}" for m, f in candidates)
    raise InputError(
        f"{file} has positions for {patches} patches, but {grids} are "
        "possible: keep its config.json beside it, or set the encoder's "
        "source_input: [frames, fstride, tstride]"
    )
