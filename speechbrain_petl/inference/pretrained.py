"""Weights for an encoder: of a published checkpoint, or of a finished run."""

import tempfile
from pathlib import Path

from ..errors import InputError
from ..recipe.settings import HYPERPARAMS
from ..weights import loading
from ..weights.loading import save_pretrained

OURS = (HYPERPARAMS, "adapter.json")  # one of them is in a run or an adapter


def load_pretrained(encoder, source, revision=None):
    """Load pretrained weights into an encoder.

    Those of ``weights.loading.load_pretrained``, or what a run has learned,
    folded into the weights that it began with.

    Arguments
    ---------
    encoder : torch.nn.Module
        The encoder, changed in place. Load before a method is attached.
    source : str, os.PathLike or None
        Also the folder of a finished run, or of its adapter, whose method can
        be folded: LoRA and its kin, or one that trains the encoder's own
        weights.
    revision : str or None
        Branch, tag or commit of a repository.

    Returns
    -------
    torch.nn.Module
        The encoder.

    Example
    -------
    >>> from speechbrain_petl import AST
    >>> load_pretrained(AST((32, 1, 2)), None).pretrained
    False
    """
    folder = Path(str(source or "")).expanduser()
    if not source or not any((folder / name).is_file() for name in OURS):
        return loading.load_pretrained(encoder, source, revision)
    from .reading import read_saved  # which loads bases by this function

    saved = read_saved(folder)
    whole = saved.modules(saved.base())["encoder"].merge()
    left = [m for m in whole.modules() if hasattr(m, "pretrained_module")]
    if left:
        raise InputError(
            f"{source} is a run whose {type(left[0]).__name__} cannot be folded "
            "into the weights of an encoder: name one with LoRA or its kin, or "
            "one that trains the weights themselves"
        )
    with tempfile.TemporaryDirectory() as place:
        file = save_pretrained(whole, Path(place) / "run.safetensors")
        try:
            return loading.load_pretrained(encoder, file)
        except InputError as error:  # of a file that nobody knows
            raise InputError(str(error).replace(str(file), str(source)))
