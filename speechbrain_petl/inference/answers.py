"""What a model says of files: their windows, put together again."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from tqdm import tqdm

from ..training.metrics.voting import vote
from ..training.predictions import predicted
from .windows import load_windows

UNKNOWN = "unknown"  # what is said where no label is likely enough


@dataclass
class Answer:
    """What a model says of a file, or why the file cannot be read.

    Arguments
    ---------
    file : str
        As it was given.
    error : str
        Why it cannot be read; then there is nothing else.
    duration : float
        Seconds.
    spans : list of tuple of float
        Where its windows begin and end, in seconds.
    logits : torch.Tensor
        Of the classes (window, class).
    embeddings : torch.Tensor
        Of the windows (window, dim).
    activation : str
        "softmax", or "sigmoid" for tags.

    Example
    -------
    >>> answer = Answer("a.wav", spans=[(0, 1)], logits=torch.zeros(1, 2))
    >>> answer.probabilities
    tensor([0.5000, 0.5000])
    """

    file: str
    error: str = ""
    duration: float = 0.0
    spans: list = field(default_factory=list)
    logits: torch.Tensor | None = None
    embeddings: torch.Tensor | None = None
    activation: str = "softmax"

    @cached_property
    def probabilities(self):
        """Of the classes, the vote of all windows (class,)."""
        return vote(self.logits.unsqueeze(0), self.activation)[0]

    @property
    def window_probabilities(self):
        """Of the classes in each window (window, class)."""
        return vote(self.logits.unsqueeze(1), self.activation)

    def name(self, labels, reject=None):
        """What is predicted, or UNKNOWN where nothing is as likely.

        Arguments
        ---------
        labels : list of str
            In the order of the probabilities.
        reject : float, optional
            A probability.

        Returns
        -------
        str
            As ``predictions.predicted`` says it, or "unknown".

        Example
        -------
        >>> answer = Answer("a.wav", logits=torch.tensor([[0.0, 1.0]]))
        >>> answer.name(["cat", "dog"]), answer.name(["cat", "dog"], 0.8)
        ('dog', 'unknown')
        """
        values = self.probabilities.tolist()
        if reject is not None and max(values) < reject:
            return UNKNOWN
        return predicted(values, labels, self.activation)


def answers(predict, data, activation, batch_size, num_workers):
    """An answer for each file, in order, as soon as it is known.

    Arguments
    ---------
    predict : callable
        Takes waveforms (batch, sample) and their lengths as fractions of the
        longest (batch,); returns embeddings (batch, dim) and logits
        (batch, class).
    data : speechbrain_petl.inference.windows.FileWindows
        Of the files.
    activation : str
        As of ``Answer``.
    batch_size, num_workers : int
        As for ``load_windows``.

    Yields
    ------
    Answer
        Held back are those that wait for a file before them, no others.
    """
    begun, done, following, heard = {}, {}, 0, 0
    # shown once it takes longer than a moment
    with tqdm(total=len(data.files), unit="file", disable=None, delay=1) as bar:
        for windows, wavs in load_windows(data, batch_size, num_workers):
            said = iter(zip(*predict(*wavs))) if wavs else None
            for window in windows:
                parts = begun.setdefault(window.number, [])
                if not window.error:
                    parts.append((window.span, *map(torch.clone, next(said))))
                if window.last:
                    parts = begun.pop(window.number)
                    file = data.files[window.number]
                    done[window.number] = _joined(
                        file, window, parts, activation
                    )
            heard += len(windows)
            bar.set_postfix_str(f"{heard} windows", refresh=False)
            while following in done:
                bar.update()
                yield done.pop(following)
                following += 1


def _joined(file, window, parts, activation):
    if window.error:
        return Answer(file, error=window.error)
    spans, embeddings, logits = zip(*parts)
    return Answer(
        file,
        duration=window.duration,
        spans=list(spans),
        logits=torch.stack(logits),
        embeddings=torch.stack(embeddings),
        activation=activation,
    )
