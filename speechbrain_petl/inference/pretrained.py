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
    saved = _learned(source)
    if not saved:
        return loading.load_pretrained(encoder, source, revision)
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


def load_pretrained_head(classifier, source, revision=None, labels=()):
    """Load the head of a published AST, or the classifier of a finished run.

    Arguments
    ---------
    classifier : torch.nn.Module
        Changed in place.
    source, revision, labels
        As for ``weights.loading.load_pretrained_head``.

    Returns
    -------
    torch.nn.Module
        The classifier.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import AST, NormLinear
    >>> head = NormLinear(32, 5)
    >>> state = {f"v.{k}": x for k, x in AST((32, 1, 2)).state_dict().items()}
    >>> state |= {f"mlp_head.{k}": x for k, x in head.state_dict().items()}
    >>> path = getfixture("tmp_path") / "official.pth"
    >>> torch.save(state, path)
    >>> same = load_pretrained_head(NormLinear(32, 5), path)
    >>> bool((same[1].weight == head[1].weight).all())
    True
    """
    saved = _learned(source)
    if not saved:
        return loading.load_pretrained_head(
            classifier, source, revision, labels
        )
    head, names = saved.tensors["classifier"], saved.description["labels"]
    return loading.put_head(classifier, head, names, labels, source)


def _learned(source):
    """What is saved in the folder of a run or of an adapter; else None."""
    folder = Path(str(source or "")).expanduser()
    if not source or not any((folder / name).is_file() for name in OURS):
        return None
    from .reading import read_saved  # which loads bases by this module

    return read_saved(folder)
