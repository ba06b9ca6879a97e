"""A published AST with the head it was trained with, as a classifier.

AudioSet's classes are Google's (https://research.google.com/audioset, CC BY
4.0), in the order of its class_labels_indices.csv.
"""

import csv
import hashlib
from pathlib import Path

from ..data.audio import SAMPLE_RATE
from ..errors import InputError
from ..lobes.fbank import AUDIOSET_MEAN, AUDIOSET_STD
from ..weights.adapter_files import ACTIVATION, HASH, SIZE
from ..weights.ast_files import read_ast
from ..weights.checking import check_values, depth_of
from ..weights.convert import check_stated
from ..weights.sources import CKPT, FRONT_END, SUFFIXES, read_config
from .description import NAME, NEW
from .saved import Saved

AUDIOSET = Path(__file__).with_name("audioset.csv")


def audioset_classes():
    """The names of AudioSet's classes.

    Returns
    -------
    list of str
        In the order of the outputs of what was trained on it.

    Example
    -------
    >>> names = audioset_classes()
    >>> len(names), names[:2]
    (527, ['Speech', 'Male speech, man speaking'])
    """
    with open(AUDIOSET, newline="", encoding="utf-8") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


def is_checkpoint(source):
    """Whether it is a file of weights, or a folder with some, by its names.

    Example
    -------
    >>> is_checkpoint("MIT/ast-finetuned-audioset-10-10-0.4593")
    False
    """
    path = Path(source).expanduser()
    if not path.is_dir():
        return path.is_file() and path.suffix in (*SUFFIXES, CKPT)
    names = {p.name for p in path.iterdir() if p.suffix in SUFFIXES}
    return any(not name.startswith(("adapter", "base")) for name in names)


def read_tagger(source):
    """Read an AST with its head: nothing of it is learned anew.

    Arguments
    ---------
    source : str or os.PathLike
        The official .pth, a folder or a repository of Hugging Face.

    Returns
    -------
    Saved
        As of a run that has trained all weights.
    """
    read = read_ast(source)
    if not read.head:
        raise InputError(
            f"{read.file} has no head that names classes: it is for training, "
            "as the --source of a recipe"
        )
    check_values({**read.state, **read.head}, read.file)
    labels = _labels(read)
    multi = read.stated.get("problem_type") == "multi_label_classification"
    tags = multi or labels == audioset_classes()
    metadata = {
        ACTIVATION: "sigmoid" if tags else "softmax",
        SIZE: "0",  # frozen parameters
        HASH: hashlib.sha256().hexdigest(),
    }
    state = {f"encoder.{name}": value for name, value in read.state.items()}
    tensors = {"encoder": state, "classifier": read.head}
    described = {**_described(read), "labels": labels}
    return Saved(described, tensors, metadata, str(source))


def _described(read):
    """As ``description.describe`` has it of a run."""
    (mels, fstride), (frames, tstride) = read.axes
    dim = read.state["pos_embed"].shape[2]
    front = _front_end(read, mels, frames)
    shape = {"mels": mels, "frames": frames}
    size = [dim, depth_of(read.state), read.heads]
    encoder = {"size": size, **shape, "fstride": fstride, "tstride": tstride}
    stated = read.stated.get("layer_norm_eps")
    epsilon = {} if stated is None else {"epsilon": float(stated)}
    return {
        "encoder": {f"{NEW}speechbrain_petl.AST": {**encoder, **epsilon}},
        "fbank": {f"{NEW}speechbrain_petl.Fbank": {**shape, **front}},
        "pooling": {f"{NEW}speechbrain_petl.Pooling": {"mode": "cls"}},
        "classifier": {f"{NAME}speechbrain_petl.NormLinear": epsilon},
        "petl": {"train": ["*"]},
        **dict.fromkeys(("source", "seed", "overlap")),
    }


def _front_end(read, mels, frames):
    """The statistics of what it heard, if our front end is its own."""
    stated = read_config(read.file, FRONT_END)
    own = {
        "feature_extractor_type": "ASTFeatureExtractor",
        "sampling_rate": SAMPLE_RATE,
        "num_mel_bins": mels,
        "max_length": frames,
    }
    file = read.file.with_name(FRONT_END)
    check_stated(stated, own, "take another checkpoint", file)
    if not stated.get("do_normalize", True):
        return {"mean": 0.0, "std": 0.5}  # which change nothing
    return {
        "mean": stated.get("mean", AUDIOSET_MEAN),
        "std": stated.get("std", AUDIOSET_STD),
    }


def _labels(read):
    """The names of the outputs, in their order."""
    count = len(read.head["1.bias"])
    if not read.labels and count != len(audioset_classes()):
        raise InputError(
            f"{read.file} has {count} outputs and no names for them: put a "
            'config.json beside it, {"id2label": {"0": "cat", "1": "dog"}} for '
            "example"
        )
    return read.labels or audioset_classes()
