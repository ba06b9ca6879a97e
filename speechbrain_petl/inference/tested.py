"""What a finished run has tested: its clips, the truth, and what was said."""

import json
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..data.audio import SAMPLE_RATE, read_audio
from ..data.checksums import check_sum
from ..data.clips import NO_LABEL
from ..errors import InputError
from ..recipe.settings import HYPERPARAMS, stored_labels
from ..recipe.yaml_files import read_yaml
from ..training.predictions import (
    PREDICTIONS,
    SEPARATOR,
    Predictions,
    read_predictions,
)
from ..training.results import RESULT, read_result
from .classifier import AudioClassifier
from .description import started_in
from .reading import read_run
from .windows import BATCH


@dataclass
class Tested:
    """What a run has tested.

    Arguments
    ---------
    result : dict
        Its result.json.
    activation : str
        "softmax", or "sigmoid" for tags.
    labels : list of str
        The names of the classes.
    ids : list of str
        Of the clips.
    truth : torch.Tensor
        1 for the classes of a clip, else 0 (clip, class).
    probabilities : torch.Tensor
        Of the classes (clip, class).
    sounds : dict
        Id -> (path, start, stop), in seconds; a stop of None is the end.
    """

    result: dict
    activation: str
    labels: list
    ids: list
    truth: torch.Tensor
    probabilities: torch.Tensor
    sounds: dict = field(default_factory=dict)


def read_tested(run, base=None, trust=False):
    """Read what a run has tested.

    The probabilities are those of its predictions.csv. A run that wrote none,
    as those of AudioSet, is asked again, clip by clip.

    Arguments
    ---------
    run : str or os.PathLike
        Its output_folder.
    base, trust
        As for ``AudioClassifier.from_run``.

    Returns
    -------
    Tested
        All clips.
    """
    run = Path(run).expanduser()
    saved = read_run(run, trust)
    result = read_result(run / RESULT)
    labels = saved.description["labels"]
    entries = _entries(run, result.get("tested_on", "test"), labels)
    path = run / PREDICTIONS
    if path.is_file() and base:
        raise InputError(
            f"base={base}: {path} has the answers, which need no base: give none"
        )
    if path.is_file():
        check_sum(result, path)
        ids, truth, probabilities = _read(path, labels)
    else:
        classifier = AudioClassifier.of(saved, base)
        ids, truth, probabilities = _ask(classifier, entries, run)
    sounds = {}
    for name, wav, start, stop, _ in entries:
        first = sounds.get(name, (wav, start, stop))
        sounds[name] = (wav, first[1], stop)
    about = result, saved.activation, labels
    return Tested(*about, ids, truth, probabilities, sounds)


def _read(path, labels):
    table = read_predictions(path)
    columns = [f"p({label})" for label in labels]
    missing = {"id", "label", *columns} - {*table.columns}
    if missing:
        raise InputError(f"{path} has no column {min(missing)}")
    numbers = {label: i for i, label in enumerate(labels)}
    truth = torch.zeros(len(table), len(labels))
    for row, names in enumerate(table["label"]):
        # a label may hold the separator itself
        names = [names] if names in numbers else names.split(SEPARATOR)
        truth[row, [numbers[n] for n in names if n in numbers]] = 1
    values = table[columns].to_numpy(dtype="float64")
    return list(table["id"]), truth, torch.from_numpy(values)


def _entries(run, split, labels):
    """(id, path, start, stop, labels) of clips or windows; none if unknown."""
    tree = read_yaml(run / HYPERPARAMS)
    folder = stored_labels(run, tree).parent
    begun = started_in(run / HYPERPARAMS, tree)
    manifest, table = folder / f"{split}.json", folder / f"{split}.npy"
    rows = []
    if manifest.is_file():
        for key, e in json.loads(manifest.read_text(encoding="utf-8")).items():
            span = e.get("start") or 0.0, e.get("stop")
            names = e.get("labels") or [e["label"]]
            rows.append((e.get("file", key), e["wav"], *span, names))
    elif table.is_file():
        for row in np.load(table):
            wav = row["file"].decode("utf-8", "surrogateescape")
            names = [labels[i] for i in row["labels"] if i != NO_LABEL]
            rows.append((Path(wav).stem, wav, 0.0, None, names))
    return [
        (n, w if Path(w).is_absolute() else str(begun / w), *more)
        for n, w, *more in rows
    ]


def _ask(classifier, entries, run):
    """The answers of the model, where none were written."""
    if not entries:
        raise InputError(
            f"{run} holds no {PREDICTIONS}, and its test clips are no files "
            "that could be read again (are they packed in shards?)"
        )
    said, activation = Predictions(), classifier.hparams.activation
    labels, most = classifier.hparams.labels, classifier.mods["fbank"].samples
    left = iter(tqdm(entries, "asking the model", disable=None))
    while batch := list(islice(left, BATCH)):
        wavs, truth = [], torch.zeros(len(batch), len(labels))
        for row, (_, wav, start, stop, names) in enumerate(batch):
            span = most if stop is None else round((stop - start) * SAMPLE_RATE)
            wavs.append(read_audio(wav, min(span, most), start=start))
            truth[row, [labels.index(name) for name in names]] = 1
        values = classifier.classify_batch(wavs)[0].cpu()
        logits = values.logit() if activation == "sigmoid" else values.log()
        said.add([entry[0] for entry in batch], logits, truth)
    return said.ids(), said.truth(), said.probabilities(activation)
