"""Embeddings of the test clips of a finished run, for t-SNE."""

import json
from pathlib import Path

import torch
from tqdm import tqdm

from speechbrain.utils.data_utils import batch_pad_right

from ...data.audio import read_audio
from ...errors import InputError

MANIFEST = "test.json"
CLIPS = 2000  # more are slow, and a cloud in the picture


def embed_test_set(folder, classifier, batch_size=16):
    """Embed the clips that a run was tested on.

    Arguments
    ---------
    folder : str
        The run's.
    classifier : speechbrain_petl.inference.classifier.AudioClassifier
        Its model.
    batch_size : int
        Clips at a time.

    Returns
    -------
    embeddings : torch.Tensor
        (clip, dim)
    labels : list of str
        The class of each clip.
    """
    entries = _entries(folder)
    samples = classifier.mods["fbank"].samples
    batches = [
        entries[i : i + batch_size] for i in range(0, len(entries), batch_size)
    ]
    embeddings = []
    for batch in tqdm(batches, desc="embedding", leave=False, disable=None):
        clips = [
            read_audio(entry["wav"], samples, start=entry.get("start", 0.0))
            for entry in batch
        ]
        embeddings.append(classifier.encode_batch(*batch_pad_right(clips)))
    return torch.cat(embeddings).cpu(), [entry["label"] for entry in entries]


def _entries(folder):
    """The first clips of the test set that the run's prepare.py wrote."""
    found = sorted(Path(folder).rglob(MANIFEST))
    if not found:
        raise InputError(
            f"{folder} has no {MANIFEST}: give the folder of a finished run "
            "whose prepared lists are still there"
        )
    entries = json.loads(found[0].read_text(encoding="utf-8"))
    entries = list(entries.values())[:CLIPS]
    for entry in entries:
        if not isinstance(entry.get("label"), str):
            raise InputError(
                f"{found[0]}: {entry.get('wav')} has not one label, so there "
                "is no colour for it in a t-SNE"
            )
        if not Path(entry["wav"]).is_file():
            raise InputError(
                f"{found[0]}: there is no {entry['wav']} any more: put the "
                "data where the run found it"
            )
    return entries
