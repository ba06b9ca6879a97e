"""The README.md of an adapter folder, in the form of the Hugging Face hub."""

import json
import shlex
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from ..training.results import identity
from ..weights.adapter_files import HASH, SIZE
from .escaping import escape_markdown, in_code

NEEDS = """, of which it needs {frozen:,} frozen parameters with the SHA-256
`{hash}`. Another base is refused"""
NO_NEED = ", all of it learned anew. It needs no other weights"
TASK = "audio-classification"
STOCK = """
SpeechBrain's own class opens it too{needing}:

```python
from speechbrain.inference.classifiers import EncoderClassifier

classifier = EncoderClassifier.from_hparams(source={named})
log_probabilities, score, index, names = classifier.classify_file("sound.wav")
```
"""
NEEDING = {
    True: ", without speechbrain_petl",
    False: ", which imports speechbrain_petl",
}
CARD = """---
{header}
---

# {method} for {dataset}, on {base}

An adapter for [SpeechBrain](https://speechbrain.github.io), made with
speechbrain_petl: the {trained:,} of {total:,} parameters that were trained, in
{kilobytes:,.0f} kB.

| test | |
|---|---|
{metrics}

{run}.

## Use

```bash
sbpetl classify {quoted} sound.wav{option}
```

```python
from speechbrain_petl import AudioClassifier

classifier = AudioClassifier.from_hparams({named}{argument})
probabilities, score, index, names = classifier.classify_file("sound.wav")
```
{stock}
## Base

{base}{revision}{needs}. Its licence, and that of the data, come with the adapter.

## Labels

{labels}
"""


def model_card(saved, result, name, size, alone=None):
    """The text of the card.

    Arguments
    ---------
    saved : speechbrain_petl.inference.saved.Saved
        The adapter.
    result : dict
        The result.json of its run.
    name : str
        How the adapter is to be loaded: a folder or a repository.
    size : int
        Bytes of its weights.
    alone : bool, optional
        Whether SpeechBrain opens it without this package; None if not at all.

    Returns
    -------
    str
        A header in yaml and a text in Markdown.
    """
    described, run = saved.description, identity(result)
    method, dataset = result["method"], result["dataset"]
    source, revision = described["source"], described.get("revision")
    base = Path(source).name if _is_local(source) else source
    path = in_code(f"/path/to/{base}") if _is_local(source) else None
    named = json.dumps(in_code(name))
    metrics = {k: v for k, v in result["metrics"].items() if v is not None}
    return CARD.format(
        header=_header(name, base, method, dataset, metrics),
        method=escape_markdown(method),
        dataset=escape_markdown(dataset),
        base=escape_markdown(base) if base else "random weights",
        option=f" {shlex.quote(f'--base={path}')}" if path else "",
        argument=f", base={json.dumps(path)}" if path else "",
        total=result["total_parameters"],
        trained=result["trainable_parameters"],
        kilobytes=size / 1000,
        metrics="\n".join(
            f"| {escape_markdown(k)} | {v:.4g} |" for k, v in metrics.items()
        ),
        run=escape_markdown(
            ", ".join(f"{k}: {v}" for k, v in run.items() if v is not None)
        ),
        stock=""
        if alone is None
        else STOCK.format(named=named, needing=NEEDING[alone]),
        quoted=shlex.quote(in_code(name)),
        named=named,
        revision=f" at revision `{in_code(revision)}`" if revision else "",
        needs=_needs(int(saved.metadata[SIZE]), saved.metadata[HASH]),
        labels=", ".join(map(escape_markdown, described["labels"])),
    )


def _header(name, base, method, dataset, metrics):
    """What the hub reads of a card, in yaml."""
    scores = [
        EvalResult(
            TASK, _slug(dataset), dataset, _slug(metric), float(f"{value:.6g}")
        )
        for metric, value in metrics.items()
        if metric != "loss"
    ]
    data = ModelCardData(
        model_name=name,
        base_model=base if base and "/" in base else None,
        library_name="speechbrain",
        pipeline_tag=TASK,
        tags=["speechbrain", "speechbrain_petl", "adapter", method],
        datasets=[dataset],
        metrics=[score.metric_type for score in scores],
        eval_results=scores,
    )
    return data.to_yaml().strip()


def _is_local(source):
    """Whether a source, as share.py writes it, is a file that is not with it.

    >>> (
    ...     _is_local("./weights.safetensors"),
    ...     _is_local("MIT/ast"),
    ...     _is_local(None),
    ... )
    (True, False, False)
    """
    return bool(source) and source.startswith("./")


def _needs(frozen, digest):
    return (
        NEEDS.format(frozen=frozen, hash=in_code(digest)) if frozen else NO_NEED
    )


def _slug(name):
    return "-".join(name.lower().split())
