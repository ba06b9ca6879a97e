"""The vocabulary that Whisper was trained with, beside its weights."""

from pathlib import Path

import huggingface_hub

from ..errors import InputError
from .sources import looks_like_path

TOKENIZER = "tokenizer.json"
EXTRA = 'pip install "speechbrain_petl[whisper]"'
END, START = "<|endoftext|>", "<|startoftranscript|>"
TASK, NO_TIMES = "<|transcribe|>", "<|notimestamps|>"
OF_ENGLISH, OF_MANY = 50256, 50257  # the number of END in what OpenAI trained


class WhisperTokens:
    """Texts to Whisper's sub-words and back, as a sentencepiece processor does.

    Arguments
    ---------
    source : str or os.PathLike
        The folder, or the repository of the Hugging Face hub, that holds
        tokenizer.json beside the weights.
    language : str, optional
        Such as "pt", which weights without .en are told before each text.

    Attributes
    ----------
    prompt : list of int
        The symbols before every text.
    end : int
        The one after it.
    """

    def __init__(self, source, language=None):
        path = _file_of(source)
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise InputError(f"{path} needs the package tokenizers: {EXTRA}")
        try:
            self.tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # of no narrower class
            raise InputError(f"{path} is no tokenizer: {error}") from error
        names = [START, *([f"<|{language}|>", TASK] if language else [])]
        *self.prompt, self.end = (
            self._number(name, path) for name in (*names, NO_TIMES, END)
        )
        if self.end == OF_ENGLISH and language:
            raise InputError(
                f"language={language}: {path} is of weights for English alone, "
                "which are told no language: leave it null"
            )
        if self.end == OF_MANY and not language:
            raise InputError(
                f"language={language}: {path} is of weights for many languages, "
                "which are told one before each text: language=pt"
            )

    def _number(self, name, path):
        number = self.tokenizer.token_to_id(name)
        if number is None:
            raise InputError(f"{path} has no {name}: is it Whisper's?")
        return number

    def encode_as_ids(self, text):
        """The sub-words of a text, as a list of int."""
        return self.tokenizer.encode(f" {text}", add_special_tokens=False).ids

    def decode_ids(self, ids):
        """The text of a list of sub-words."""
        return self.tokenizer.decode(list(ids)).strip()


def _file_of(source):
    path = Path(source).expanduser()
    file = (path if path.is_dir() else path.parent) / TOKENIZER
    if file.is_file():
        return file
    if path.exists() or looks_like_path(source):
        raise InputError(
            f"{file} is missing: put the tokenizer of the weights beside them"
        )
    try:
        return huggingface_hub.hf_hub_download(source, TOKENIZER)
    except Exception as error:  # each version of the client has its own
        raise InputError(f"{source} yields no {TOKENIZER}: {error}") from error
