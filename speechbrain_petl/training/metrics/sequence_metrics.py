"""Metrics of emitted sequences, summed over the clips of all processes."""

import torch
from torchmetrics import Metric

from speechbrain.utils.metric_stats import ErrorRateStats


def until(end, sequences):
    """Each row of a batch up to its first end of sequence.

    Arguments
    ---------
    end : int
        The symbol that ends a sequence.
    sequences : torch.Tensor
        Symbols (batch, symbol); what follows the end does not matter.

    Returns
    -------
    list of list of int
        The symbols before the end.

    Example
    -------
    >>> until(2, torch.tensor([[5, 6, 2, 0], [7, 2, 7, 7], [8, 8, 8, 8]]))
    [[5, 6], [7], [8, 8, 8, 8]]
    """
    rows = sequences.long().tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


class ExactMatch(Metric):
    """Share of the clips whose whole text is right.

    Texts are compared, not symbols: one text can be cut up in several ways.

    Arguments
    ---------
    end : int
        The symbol that ends a sequence.
    decode : callable
        Maps a list of symbols to a text.

    Example
    -------
    >>> metric = ExactMatch(end=2, decode=str)
    >>> emitted = torch.tensor([[5, 6, 2], [5, 5, 2]])
    >>> metric.update(emitted, torch.tensor([[5, 6, 2, 0], [5, 6, 2, 0]]))
    >>> metric.compute()
    tensor(0.5000)
    """

    def __init__(self, end, decode):
        super().__init__()
        self.end, self.decode = end, decode
        for name in ("right", "clips"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, emitted, targets):
        """Count emitted symbols and the right ones, both (batch, symbol)."""
        pairs = zip(until(self.end, emitted), until(self.end, targets))
        self.right += sum(self.decode(e) == self.decode(t) for e, t in pairs)
        self.clips += len(targets)

    def compute(self):
        """A ratio, 0 to 1."""
        return self.right / self.clips


class TokenErrorRate(Metric):
    """Insertions, deletions and substitutions per right symbol.

    Counted by SpeechBrain's ``ErrorRateStats``. Targets may be texts: not all
    symbols of a text need be in the vocabulary.

    Arguments
    ---------
    end : int
        The symbol that ends a sequence.
    pieces : callable, optional
        Maps a list of symbols, or a target that is a text, to what is compared
        instead, such as the words or the characters of the text.

    Example
    -------
    >>> metric = TokenErrorRate(end=2)
    >>> emitted = torch.tensor([[5, 6, 2], [5, 5, 2]])
    >>> metric.update(emitted, torch.tensor([[5, 6, 2, 0], [5, 6, 2, 0]]))
    >>> metric.compute()
    tensor(0.2500)
    """

    def __init__(self, end, pieces=list):
        super().__init__()
        self.end, self.pieces = end, pieces
        for name in ("edits", "symbols"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, emitted, targets):
        """Count emitted symbols (batch, symbol); right ones, or their texts."""
        stats = ErrorRateStats()
        ids = [str(number) for number in range(len(targets))]
        if isinstance(targets, torch.Tensor):
            targets = until(self.end, targets)
        both = until(self.end, emitted), targets
        pairs = ([self.pieces(row) for row in x] for x in both)
        stats.append(ids, *pairs)
        summary = stats.summarize()
        self.edits += summary["num_edits"]
        self.symbols += summary["num_scored_tokens"]

    def compute(self):
        """A rate; above 1 if too much was emitted."""
        return self.edits / self.symbols


class WordAccuracy(TokenErrorRate):
    """1 - the word error rate, which the best epoch has most of.

    Below 0 if too much was emitted.

    Example
    -------
    >>> metric = WordAccuracy(end=2, pieces=str)
    >>> metric.update(torch.tensor([[5, 2]]), torch.tensor([[5, 2]]))
    >>> metric.compute()
    tensor(1.)
    """

    higher_is_better = True

    def compute(self):
        """A rate."""
        return 1 - super().compute()


def text_metrics(end, text_of):
    """WER, CER and 1 - WER, as a recipe's ``metrics``.

    Arguments
    ---------
    end : int
        The symbol that ends a sequence.
    text_of : callable
        Maps a list of symbols to a text, as it is compared; targets may be
        such texts.

    Returns
    -------
    dict
        Name -> metric.

    Example
    -------
    >>> metrics = text_metrics(2, lambda symbols: " ".join(map(str, symbols)))
    >>> for metric in metrics.values():
    ...     metric.update(torch.tensor([[5, 2, 0]]), torch.tensor([[5, 6, 2]]))
    >>> {name: round(float(m.compute()), 2) for name, m in metrics.items()}
    {'word_accuracy': 0.5, 'wer': 0.5, 'cer': 0.67}
    """

    def written(said):
        return said if isinstance(said, str) else text_of(said)

    def words(said):
        return written(said).split()

    def characters(said):
        return list(written(said))

    return {
        "word_accuracy": WordAccuracy(end, words),
        "wer": TokenErrorRate(end, words),
        "cer": TokenErrorRate(end, characters),
    }
