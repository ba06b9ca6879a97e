"""Runs averaged to one adapter: model soups, https://arxiv.org/abs/2203.05482.

What runs of one method on one base have learned for the same classes, such as
those of several learning rates, has a mean, which costs what one does.
"""

import copy
import math
from pathlib import Path

import torch

from ..data.writing import refuse_twice
from ..errors import InputError
from ..weights.adapter_files import (
    ACTIVATION,
    HASH,
    SIZE,
    TEMPERATURE,
    WEIGHTS,
    write_weights,
)
from .classifier import AudioClassifier
from .reading import read_saved
from .share import README, new_folder, write_adapter

SAME = {  # what runs must have in common -> what it is called
    "labels": "classes",
    "encoder": "encoder",
    "fbank": "front end",
    "petl": "method",
    "pooling": "pooling",
    "classifier": "classifier",
    "overlap": "overlap of windows",
}
CARD = """# {name}

The mean of what {count} runs have learned, by `sbpetl merge`
(https://arxiv.org/abs/2203.05482):

{runs}

The temperature is their mean too, and fitted on no data.

```bash
sbpetl classify {name} sound.wav
```
"""


def merge(sources, folder, weights=None, base=None, trust=False):
    """Write the mean of some runs as an adapter folder, and see that it loads.

    Arguments
    ---------
    sources : list of str or os.PathLike
        Finished runs, or adapter folders.
    folder : str or os.PathLike
        Where to write.
    weights : list of float, optional
        How much each counts, in any unit; alike by default.
    base : str, optional
        Where the pretrained weights are, if they have been moved.
    trust : bool
        As for ``share.save_adapter``.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    refuse_twice(sources)
    shares = _shares(sources, weights)
    saved = [read_saved(source, trust) for source in sources]
    for other in saved[1:]:
        _refuse_another(saved[0], other)
    one = saved[0]
    temperature = sum(s.temperature * w for s, w in zip(saved, shares))
    one.tensors = _mean([s.tensors for s in saved], shares)
    one.metadata = {**one.metadata, TEMPERATURE: repr(temperature)}
    encoder = one.base(base)
    AudioClassifier.of(one, copy.deepcopy(encoder))
    folder = new_folder(folder, one.base_file)
    write_weights(folder / WEIGHTS, one.tensors, one.metadata)
    write_adapter(one, folder)
    runs = "\n".join(
        f"- {w:.3g} of `{s.path.rstrip('/').rpartition('/')[2]}`"
        for s, w in zip(saved, shares)
    )
    card = CARD.format(name=folder.name, count=len(saved), runs=runs)
    (folder / README).write_text(card, encoding="utf-8")
    AudioClassifier.from_hparams(folder, base=encoder, trust=trust)
    return folder


def _shares(sources, weights):
    """Of each run; together 1."""
    weights = [1.0] * len(sources) if weights is None else weights
    if len(weights) != len(sources):
        raise InputError(
            f"--weights: {len(weights)} numbers for {len(sources)} runs: give "
            "one for each"
        )
    for weight in weights:
        if not 0 < weight < math.inf:
            raise InputError(f"--weights: {weight} is no number above 0")
    return [weight / sum(weights) for weight in weights]


def _refuse_another(one, other):
    """Refuse to average what has no meaning in common."""
    for key, what in SAME.items():
        if one.description[key] != other.description[key]:
            raise InputError(
                f"{one.path} and {other.path} have another {what}: "
                f"{_shown(one.description[key])} and "
                f"{_shown(other.description[key])}. Merge runs that differ in "
                "learning rate or fold."
            )
    for key in (SIZE, HASH, ACTIVATION):
        if one.metadata.get(key) != other.metadata.get(key):
            what = "activation" if key == ACTIVATION else "base"
            raise InputError(
                f"{one.path} and {other.path} have another {what}: "
                f"{key} {one.metadata.get(key)} and {other.metadata.get(key)}. "
                "Merge runs that began with the same weights."
            )

    begun = [_began_with(saved) for saved in (one, other)]
    if begun[0] != begun[1]:
        raise InputError(
            f"{one.path} and {other.path} have another base: {begun[0]} and "
            f"{begun[1]}. Merge runs that began with the same weights."
        )


def _began_with(saved):
    """The base of what was trained whole, of which no hash is left."""
    source, seed = (saved.description[key] for key in ("source", "seed"))
    if saved.metadata.get(SIZE) != "0":
        return None
    return Path(source).name if source else f"random weights of seed {seed}"


def _shown(value):
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _mean(states, shares):
    """Of floats; whole numbers, such as counts of batches, are the first's."""
    first = states[0]
    return {
        module: {
            name: sum(s[module][name] * w for s, w in zip(states, shares))
            if torch.is_floating_point(value)
            else value
            for name, value in state.items()
        }
        for module, state in first.items()
    }
