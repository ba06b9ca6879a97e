"""What a model took for what: each clip judged, and the figures of each class."""

import torch

from ..training.predictions import TAG_THRESHOLD

BEST = 3  # labels of a clip that are named
LEGIBLE = 60  # classes: with more, a matrix cannot be read


def said_of(tested):
    """Whether each class was said of each clip.

    Arguments
    ---------
    tested : speechbrain_petl.inference.tested.Tested
        What a run has tested.

    Returns
    -------
    torch.Tensor
        Of bool (clip, class): the likeliest one, or all tags from 0.5 on.
    """
    values = tested.probabilities
    if tested.activation == "sigmoid":
        return values >= TAG_THRESHOLD
    best = values.argmax(dim=1)
    return torch.nn.functional.one_hot(best, values.shape[1]).bool()


def judge(tested):
    """What was said of each clip, and whether it is right.

    Where classes exclude each other, a clip with several labels is right with
    any of them. The confidence is the probability of what was said; of tags,
    that of the worst mistake.

    Arguments
    ---------
    tested : speechbrain_petl.inference.tested.Tested
        What a run has tested.

    Returns
    -------
    list of dict
        With id, true and said (list of str), best (list of label and
        probability), wrong (bool) and confidence.
    """
    truth, said = tested.truth > 0, said_of(tested)
    tags = tested.activation == "sigmoid"
    scores, best = tested.probabilities.topk(min(BEST, len(tested.labels)))
    mistakes = truth != said if tags else said & ~truth
    values = tested.probabilities
    doubt = torch.where(said, values, 1 - values)
    clips = []
    for i, name in enumerate(tested.ids):
        wrong = bool(mistakes[i].any())
        surest = doubt[i][mistakes[i] if wrong else said[i] | ~said[i]]
        clips.append(
            {
                "id": name,
                "true": _names(tested.labels, truth[i]),
                "said": _names(tested.labels, said[i]),
                "best": [
                    (tested.labels[k], p)
                    for k, p in zip(best[i].tolist(), scores[i].tolist())
                ],
                "wrong": wrong,
                "confidence": float(surest.max() if tags else values[i].max()),
            }
        )
    return clips


def _names(labels, chosen):
    return [labels[i] for i in chosen.nonzero().flatten().tolist()]


def figures_of(tested):
    """Precision, recall, F1 and the number of clips of each class.

    Arguments
    ---------
    tested : speechbrain_petl.inference.tested.Tested
        What a run has tested.

    Returns
    -------
    list of dict
        With label, clips, precision, recall and f1; None where there is
        nothing to divide by.
    """
    truth, said = tested.truth > 0, said_of(tested)
    if tested.activation == "softmax":  # any of several labels is right
        right = (truth & said).any(dim=1, keepdim=True)
        truth = torch.where(right, said, truth)
    found = (truth & said).sum(dim=0).tolist()
    counts = zip(
        tested.labels, found, said.sum(0).tolist(), truth.sum(0).tolist()
    )
    return [
        {
            "label": label,
            "clips": true,
            "precision": hits / claimed if claimed else None,
            "recall": hits / true if true else None,
            "f1": 2 * hits / (claimed + true) if claimed + true else None,
        }
        for label, hits, claimed, true in counts
    ]


def confusion_cells(tested, judged):
    """The confusion matrix, and the clips of each of its cells.

    Arguments
    ---------
    tested : speechbrain_petl.inference.tested.Tested
        What a run has tested.
    judged : list of dict
        As ``judge`` returns it.

    Returns
    -------
    dict
        "cells", (true, predicted) -> clips, of indices of classes, the fullest
        wrong ones first; "matrix", rows of (count, part of the true class), of
        few enough classes. Both are empty for tags.
    """
    if tested.activation == "sigmoid":
        return {"cells": {}, "matrix": []}
    number = {label: i for i, label in enumerate(tested.labels)}
    cells = {}
    for clip in judged:
        said = clip["said"][0]
        true = clip["true"][0] if clip["wrong"] else said
        cells.setdefault((number[true], number[said]), []).append(clip)
    order = sorted(cells, key=lambda at: (at[0] == at[1], -len(cells[at])))
    cells = {at: cells[at] for at in order}
    size = len(tested.labels)
    matrix = []
    for true in range(size if size <= LEGIBLE else 0):
        counts = [len(cells.get((true, said), [])) for said in range(size)]
        total = max(sum(counts), 1)
        matrix.append([(n, n / total) for n in counts])
    return {"cells": cells, "matrix": matrix}
