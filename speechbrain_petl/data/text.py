"""Texts as sequences of sub-words: SpeechBrain's SentencePiece, in a recipe.

Sub-words: https://arxiv.org/abs/1808.06226.
"""

import os
import shutil
from functools import partial

import sentencepiece
import torch

from speechbrain.tokenizers.SentencePiece import SentencePiece
from speechbrain.utils.distributed import run_on_main

from ..errors import InputError

UNKNOWN, BOS, EOS = 0, 1, 2  # begin and end of a sequence


def train_tokenizer(texts, folder, size, kind):
    """Train a sub-word tokenizer, or load it if it was trained on these texts.

    Arguments
    ---------
    texts : list of str
        What to learn the sub-words from.
    folder : str
        Where to keep the tokenizer and the texts. Other texts replace both.
    size : int
        Number of sub-words, UNKNOWN, BOS and EOS included; "char" has as many
        as there are characters.
    kind : str
        "bpe", "unigram" or "char".

    Returns
    -------
    sentencepiece.SentencePieceProcessor
        The tokenizer.

    Example
    -------
    >>> texts = ["increase | heat | none", "decrease | heat | kitchen"]
    >>> folder = str(getfixture("tmp_path"))
    >>> tokenizer = train_tokenizer(texts, folder, size=0, kind="char")
    >>> ids = tokenizer.encode_as_ids(texts[0])
    >>> len(ids), tokenizer.decode_ids(ids)
    (23, 'increase | heat | none')
    """
    if not isinstance(folder, str) or len(folder.split()) > 1:
        raise InputError(
            f"{folder}: SentencePiece takes no blank in a path, give another "
            "output_folder"
        )
    file = os.path.join(folder, "texts.txt")
    run_on_main(_store, args=[texts, folder, file])
    sentencepiece.SetMinLogLevel(3)  # else a hundred lines on how it trains
    try:
        trained = SentencePiece(
            folder,
            size,
            text_file=file,
            model_type=kind,
            unk_id=UNKNOWN,
            bos_id=BOS,
            eos_id=EOS,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"no {kind} tokenizer of {size} sub-words can be trained on "
            f"{file}: {error}"
        )
    return trained.sp


def add_token_sequences(datasets, tokenizer, key="label"):
    """Give every clip the sub-words of its text, for a sequence decoder.

    Items get ``tokens_bos`` (what the decoder is fed) and ``tokens_eos`` (what
    it is to emit), both (token,).

    Arguments
    ---------
    datasets : dict
        split -> speechbrain.dataio.dataset.DynamicItemDataset
    tokenizer : sentencepiece.SentencePieceProcessor
        See ``train_tokenizer``.
    key : str
        The entry of a manifest that holds the text.
    """
    names = ["tokens_bos", "tokens_eos"]
    tokens = partial(_tokens, tokenizer)  # can be sent to a spawned worker
    for data in datasets.values():
        data.add_dynamic_item(tokens, takes=key, provides=names)
        data.set_output_keys(["id", "sig", *names])


def _tokens(tokenizer, text):
    """What the decoder takes, and what it should emit."""
    ids = tokenizer.encode_as_ids(text)
    yield torch.tensor([BOS, *ids])
    yield torch.tensor([*ids, EOS])


def _store(texts, folder, file):
    """Write the texts; a tokenizer of other ones would be taken for theirs."""
    content = "".join(f"{text}\n" for text in texts)
    if os.path.isfile(file):
        with open(file, encoding="utf-8") as stored:
            if stored.read() == content:
                return
        shutil.rmtree(folder)
    os.makedirs(folder, exist_ok=True)
    with open(file, "w", encoding="utf-8") as new:
        new.write(content)
