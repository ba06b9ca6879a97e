"""What was predicted for each test clip: predictions.csv, beside result.json."""

import os
from pathlib import Path

import torch

from speechbrain.utils.distributed import main_process_only

from .metrics.voting import vote

PREDICTIONS = "predictions.csv"
SEPARATOR = "|"  # between the labels of a clip that has several
TAG_THRESHOLD = 0.5  # from which on a tag is predicted


def predicted(probabilities, labels, activation="softmax"):
    """What is predicted: the likeliest class, or all tags above a threshold.

    Arguments
    ---------
    probabilities : list of float
        Of the classes.
    labels : list of str
        Their names.
    activation : str
        "softmax", or "sigmoid" for tags.

    Returns
    -------
    str
        The cell of a predictions.csv.

    Example
    -------
    >>> predicted([0.3, 0.7], ["cat", "dog"])
    'dog'
    >>> predicted([0.6, 0.7], ["cat", "dog"], "sigmoid")
    'cat|dog'
    """
    if activation == "sigmoid":
        pairs = zip(probabilities, labels)
        return SEPARATOR.join(name for p, name in pairs if p >= TAG_THRESHOLD)
    return labels[max(range(len(labels)), key=probabilities.__getitem__)]


class Predictions:
    """What the classifier said of each clip, gathered over all processes.

    Rows of one id, the windows of a file, vote as in ``voting.vote``.

    Arguments
    ---------
    labels : speechbrain.dataio.encoder.CategoricalEncoder
        The label set.
    activation : str
        "softmax", or "sigmoid" for tags.

    Example
    -------
    >>> from speechbrain.dataio.encoder import CategoricalEncoder
    >>> labels = CategoricalEncoder()
    >>> labels.update_from_iterable(["cat", "dog"])
    >>> rows = Predictions(labels)
    >>> rows.add(["a", "b"], torch.tensor([[9.0, 0], [0, 9]]), torch.eye(2)[:1])
    >>> rows.table()[["id", "label", "predicted"]].values.tolist()
    [['a', 'cat', 'cat']]
    """

    def __init__(self, labels, activation="softmax"):
        self.labels, self.activation = labels, activation
        self.reset()

    def reset(self):
        """Forget all clips."""
        self.scores, self.truth = {}, {}

    def add(self, ids, logits, targets):
        """Note a batch.

        Arguments
        ---------
        ids : list of str
            Of the clips, or of the files that they are windows of.
        logits : torch.Tensor
            Of the classes (batch, class).
        targets : torch.Tensor
            Class indices (batch,), or shares of the classes (batch, class).
        """
        for name, row, target in zip(ids, logits.detach().cpu(), targets.cpu()):
            self.scores.setdefault(name, []).append(row)
            true = target.nonzero().flatten() if target.dim() else [target]
            self.truth[name] = [int(index) for index in true]

    def table(self):
        """One row for each clip.

        Returns
        -------
        pandas.DataFrame
            Columns id, label, predicted, and ``p(<label>)`` for each label;
            several labels have | between them.
        """
        import pandas

        names = [self.labels.ind2lab[i] for i in range(len(self.labels))]
        clips = sorted(self.scores)
        # 20,000 clips of 527 classes are too many for objects
        said = torch.cat(
            [
                vote(torch.stack(self.scores[clip])[None], self.activation)
                for clip in clips
            ]
        ).numpy()
        rows = {
            "id": clips,
            "label": [
                SEPARATOR.join(str(names[i]) for i in self.truth[clip])
                for clip in clips
            ],
            "predicted": [
                predicted(row, names, self.activation) for row in said.tolist()
            ],
        }
        columns = [f"p({name})" for name in names]
        scores = pandas.DataFrame(said, columns=columns)
        return pandas.concat([pandas.DataFrame(rows), scores], axis=1)

    def write(self, path):
        """Gather the clips of all processes and write them as csv, once.

        Arguments
        ---------
        path : str
            The file.
        """
        if torch.distributed.is_initialized():
            shares = [None] * torch.distributed.get_world_size()
            own = self.scores, self.truth
            torch.distributed.all_gather_object(shares, own)
            self.reset()
            for scores, truth in shares:
                for name, logits in scores.items():
                    self.scores.setdefault(name, []).extend(logits)
                self.truth.update(truth)
        if self.scores:
            _write_table(self.table(), path)


class TextPredictions(Predictions):
    """What a decoder said of each clip: texts.

    Arguments
    ---------
    decode : callable
        Maps symbols (symbol,) up to the end of the sequence to a text.

    Example
    -------
    >>> rows = TextPredictions(lambda symbols: " ".join(map(str, symbols)))
    >>> rows.add(["a"], [[3, 4]], [[3, 5]])
    >>> rows.table().values.tolist()
    [['a', '3 5', '3 4']]
    """

    def __init__(self, decode):
        self.decode = decode
        self.reset()

    def add(self, ids, emitted, targets):
        """Note a batch: symbols of each clip, emitted and true."""
        for name, said, true in zip(ids, emitted, targets):
            self.scores[name] = [self.decode(said)]
            self.truth[name] = self.decode(true)

    def table(self):
        """Columns id, label and predicted; one row for each clip."""
        import pandas

        clips = sorted(self.scores)
        rows = {
            "id": clips,
            "label": [self.truth[clip] for clip in clips],
            "predicted": [self.scores[clip][0] for clip in clips],
        }
        return pandas.DataFrame(rows)


@main_process_only
def _write_table(table, path):
    table.to_csv(f"{path}.part", index=False, float_format="%.7g")
    os.replace(f"{path}.part", path)


def predictions_beside(path):
    """Where the predictions of the run of a result.json are.

    Arguments
    ---------
    path : str
        Of the result.json.

    Returns
    -------
    str
        Of the predictions.csv.
    """
    return str(Path(path).with_name(PREDICTIONS))
