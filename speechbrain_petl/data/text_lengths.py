"""Texts that a model has no room for: told before a training."""

from itertools import pairwise

import torch

from speechbrain.utils.logger import get_logger

from ..errors import InputError, refuse_all
from .audio import SAMPLE_RATE

logger = get_logger(__name__)


def refuse_long_texts(datasets, tokenizer, most, key="text"):
    """Refuse clips whose texts have more sub-words than a decoder can count.

    A training would stop where it meets one.

    Arguments
    ---------
    datasets : dict
        split -> speechbrain.dataio.dataset.DynamicItemDataset
    tokenizer : sentencepiece.SentencePieceProcessor
        See ``text.train_tokenizer``.
    most : int
        Sub-words of a text.
    key : str
        The entry of a manifest that holds the text.
    """
    for split, data in datasets.items():
        texts = {name: clip[key] for name, clip in data.data.items()}
        # no sub-word is less than a byte
        long = {k: v for k, v in texts.items() if len(v.encode()) >= most}
        counts = {k: len(tokenizer.encode_as_ids(v)) for k, v in long.items()}
        problems = [
            f"the text of {name} has {count} sub-words"
            for name, count in counts.items()
            if count > most
        ]
        remedy = (
            f"The decoder counts to {most}: cut these clips, or leave them out"
        )
        refuse_all(split, problems, remedy)


def tell_of_dense_texts(data, tokenizer, tokens_of, key="text"):
    """Say how many texts CTC cannot learn; refuse, if it can learn none.

    It emits a symbol a token at most, and a blank between two that are alike.

    Arguments
    ---------
    data : speechbrain.dataio.dataset.DynamicItemDataset
        Training clips.
    tokenizer : sentencepiece.SentencePieceProcessor
        See ``text.train_tokenizer``.
    tokens_of : callable
        Of an encoder: maps numbers of samples (batch,) to those of tokens.
    key : str
        The entry of a manifest that holds the text.
    """
    clips = data.data.values()
    seconds = torch.tensor([clip["duration"] for clip in clips])
    needed = []
    for clip in clips:
        ids = tokenizer.encode_as_ids(clip[key])
        repeats = sum(one == other for one, other in pairwise(ids))
        needed.append(len(ids) + repeats)
    there = tokens_of(seconds * SAMPLE_RATE).tolist()
    counts = zip(data.data, needed, there)
    dense = [name for name, least, most in counts if least > most]
    if not dense:
        return
    said = (
        f"train: the texts of {len(dense)} of {len(data)} clips, such as "
        f"{dense[0]}, have more symbols than the encoder has tokens, and teach "
        "CTC nothing: leave them out, or give --unit=bpe"
    )
    if len(dense) == len(data):
        raise InputError(said)
    logger.warning(said)
