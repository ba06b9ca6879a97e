"""What was predicted for each test clip: predictions.csv, beside result.json."""

import os
from pathlib import Path

import torch

from speechbrain.utils.distributed import main_process_only

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

    Rows of one id, the windows of a file, vote by their mean log-probability,
    those of tags by their mean probability, as in ``voting.PerFile``.

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
        votes = logits.detach().cpu().double()
        tags = self.activation == "sigmoid"
        votes = votes.sigmoid() if tags else votes.log_softmax(dim=1)
        for name, vote, target in zip(ids, votes, targets.cpu()):
            self.scores.setdefault(name, []).append(vote)
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
        rows = []
        for name in sorted(self.scores):
            mean = torch.stack(self.scores[name]).mean(dim=0)
            tags = self.activation == "sigmoid"
            values = (mean if tags else mean.softmax(dim=0)).tolist()
            true = [str(names[i]) for i in self.truth[name]]
            rows.append(
                {
                    "id": name,
                    "label": SEPARATOR.join(true),
                    "predicted": predicted(values, names, self.activation),
                    **{f"p({n})": p for n, p in zip(names, values)},
                }
            )
        return pandas.DataFrame(rows)

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
                for name, votes in scores.items():
                    self.scores.setdefault(name, []).extend(votes)
                self.truth.update(truth)
        if self.scores:
            _write_table(self.table(), path)


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
