"""What is when: the windows of a file as segments with a label."""

from dataclasses import dataclass

from torch.nn.functional import one_hot

from ..training.predictions import TAG_THRESHOLD


@dataclass
class Segment:
    """A part of a file in which something is heard.

    Arguments
    ---------
    start, end : float
        Seconds.
    label : str
        What is heard.
    score : float
        Its probability, the mean over the windows of the segment.
    """

    start: float
    end: float
    label: str
    score: float


def find_segments(answer, labels, threshold=None, join=True):
    """What is heard when in a file.

    Arguments
    ---------
    answer : speechbrain_petl.inference.answers.Answer
        What a model says of it.
    labels : list of str
        In the order of the probabilities.
    threshold : float, optional
        All labels of a window that are as likely. Without one, the likeliest
        label of each window; of tags, those of 0.5.
    join : bool
        Make one segment of neighbouring windows that have a label in common.

    Returns
    -------
    list of Segment
        By their start, then by their score.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl.inference.answers import Answer
    >>> spans, logits = [(0, 1), (1, 2), (2, 3)], torch.tensor([[9.0, 0]] * 3)
    >>> answer = Answer("a.wav", spans=spans, logits=logits)
    >>> find_segments(answer, ["dog", "cat"])
    [Segment(start=0, end=3, label='dog', score=0.9998767)]
    """
    probabilities = answer.window_probabilities
    if threshold is None and answer.activation == "sigmoid":
        threshold = TAG_THRESHOLD
    if threshold is None:
        best = probabilities.argmax(dim=1)
        heard = one_hot(best, len(labels)).bool()
    else:
        heard = probabilities >= threshold
    found = []
    for index, label in enumerate(labels):
        windows = heard[:, index].nonzero().flatten().tolist()
        for first, last in _runs(windows, join):
            score = float(probabilities[first : last + 1, index].mean())
            ends = answer.spans[first][0], answer.spans[last][1]
            found.append(Segment(*ends, label, round(score, 7)))
    return sorted(found, key=lambda segment: (segment.start, -segment.score))


def _runs(numbers, join):
    """The first and last of each row of consecutive numbers."""
    runs = []
    for number in numbers:
        if join and runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs
