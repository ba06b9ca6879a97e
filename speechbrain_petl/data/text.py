"""Texts as sequences of sub-words: SpeechBrain's SentencePiece, in a recipe.

Sub-words: https://arxiv.org/abs/1808.06226.
"""

import json
import os
import shutil
import unicodedata
from functools import partial

import sentencepiece
import torch

from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.tokenizers.SentencePiece import SentencePiece
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger

from ..errors import InputError
from .audio import SAMPLE_RATE, read_audio

logger = get_logger(__name__)

APOSTROPHES = dict.fromkeys(map(ord, "’ʼ"), "'")
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


def plain_text(text):
    """The words of a text: in small letters, without punctuation.

    Arguments
    ---------
    text : str
        As somebody has written it down.

    Returns
    -------
    str
        Letters, digits and apostrophes inside words, a blank between words.

    Example
    -------
    >>> plain_text(" Don’t hang up: press 1, 'pound' or *!")
    "don't hang up press 1 pound or"
    >>> plain_text("I \u2764\ufe0f co\u00adoperation")
    'i cooperation'
    """
    text = unicodedata.normalize("NFKC", text).lower().translate(APOSTROPHES)
    kept = " "
    for character in text:
        kept += _written(character, kept[-1])
    words = (word.strip("'") for word in kept.split())
    return " ".join(filter(None, words))


def _written(character, before):
    """A letter, a digit, an apostrophe, a sign on one; else a blank."""
    kind = unicodedata.category(character)
    if kind == "Cf":  # a joiner or a soft hyphen, inside words
        return ""
    of_a_letter = kind[0] == "M" and before != " "  # and not of an emoji
    kept = kind[0] in "LN" or character == "'" or of_a_letter
    return character if kept else " "


def text_datasets(manifests, samples):
    """Datasets of transcribed clips, to be given tokens.

    Training clips that are longer are left out, as nobody knows which words
    are in a part of them; other clips are cut.

    Arguments
    ---------
    manifests : dict
        split -> path of a manifest whose entries have "wav" and "text".
    samples : int
        Read at most that many samples of a clip.

    Returns
    -------
    dict
        split -> speechbrain.dataio.dataset.DynamicItemDataset
    """
    datasets, most = {}, samples / SAMPLE_RATE
    for split, path in manifests.items():
        with open(path, encoding="utf-8") as file:
            clips = json.load(file)
        longer = {k for k, clip in clips.items() if clip["duration"] > most}
        if longer:
            how = "are left out" if split == "train" else "are cut there"
            logger.warning(
                f"{split}: {len(longer)} of {len(clips)} clips are longer than "
                f"{most:.2f} s and {how}"
            )
        if split == "train":
            clips = {k: clip for k, clip in clips.items() if k not in longer}
        if not clips:
            raise InputError(
                f"{path}: no clip has {most:.2f} s or less: raise seconds"
            )
        for clip in clips.values():  # what is read, for dynamic batches
            clip["duration"] = min(clip["duration"], most)
        datasets[split] = DynamicItemDataset(clips)
        read = partial(read_audio, samples=samples)
        datasets[split].add_dynamic_item(read, takes="wav", provides="sig")
    return datasets


def add_token_sequences(datasets, tokenizer, key="label", begin=BOS, end=EOS):
    """Give every clip the sub-words of its text, for a sequence decoder.

    Items get ``tokens_bos`` (what the decoder is fed) and ``tokens_eos`` (what
    it is to emit), both (token,); and keep the text.

    Arguments
    ---------
    datasets : dict
        split -> speechbrain.dataio.dataset.DynamicItemDataset
    tokenizer : sentencepiece.SentencePieceProcessor
        See ``train_tokenizer``.
    key : str
        The entry of a manifest that holds the text.
    begin, end : int
        The symbols at its ends.
    """
    names = ["tokens_bos", "tokens_eos"]
    # can be sent to a spawned worker
    tokens = partial(_tokens, tokenizer, begin, end)
    for data in datasets.values():
        data.add_dynamic_item(tokens, takes=key, provides=names)
        data.set_output_keys(["id", "sig", key, *names])


def _tokens(tokenizer, begin, end, text):
    """What the decoder takes, and what it should emit."""
    ids = tokenizer.encode_as_ids(text)
    yield torch.tensor([begin, *ids])
    yield torch.tensor([*ids, end])


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
