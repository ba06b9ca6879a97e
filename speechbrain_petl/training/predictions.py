"""What was predicted for each test clip: predictions.csv, beside result.json."""

import os
from pathlib import Path

import torch

from speechbrain.utils.distributed import main_process_only

from ..errors import InputError

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

    Example
    -------
    >>> rows = Predictions()
    >>> rows.add(["b", "a"], torch.tensor([[9.0, 0], [0, 9]]), torch.eye(2))
    >>> rows.ids(), rows.truth().tolist()
    (['a', 'b'], [[0.0, 1.0], [1.0, 0.0]])
    >>> table = rows.table(["cat", "dog"])
    >>> table[["id", "label", "predicted"]].values.tolist()
    [['a', 'dog', 'dog'], ['b', 'cat', 'cat']]
    """

    has_probabilities = True

    def __init__(self):
        self.logits, self.targets = {}, {}

    def add(self, ids, logits, targets):
        """Note a batch.

        Arguments
        ---------
        ids : list of str
            Of the clips, or of the files that they are windows of.
        logits : torch.Tensor
            Of the classes (batch, class).
        targets : torch.Tensor
            Class indices (batch,), or soft targets (batch, class).
        """
        targets = targets.cpu()
        for name, row, target in zip(ids, logits.detach().cpu(), targets):
            self.logits.setdefault(name, []).append(row)
            true = target.nonzero().flatten() if target.dim() else [target]
            self.targets[name] = [int(index) for index in true]

    def gather(self):
        """Have the clips of all processes in each."""
        if not torch.distributed.is_initialized():
            return
        parts = [None] * torch.distributed.get_world_size()
        own = self.logits, self.targets
        torch.distributed.all_gather_object(parts, own)
        self.logits, self.targets = {}, {}
        for logits, targets in parts:
            for name, rows in logits.items():
                self.logits.setdefault(name, []).extend(rows)
            self.targets.update(targets)

    def ids(self):
        """Those of the clips, sorted."""
        return sorted(self.logits)

    def truth(self):
        """1 for the classes of a clip, else 0 (clip, class), fp64."""
        hot = [
            torch.zeros(len(self.logits[name][0])).index_fill_(
                0, torch.tensor(self.targets[name]).long(), 1.0
            )
            for name in self.ids()
        ]
        return torch.stack(hot).double()

    def probabilities(self, activation="softmax", temperature=1.0):
        """Of the classes.

        Arguments
        ---------
        activation : str
            Of the logits: "softmax", or "sigmoid" of tags.
        temperature : float or torch.Tensor
            That they are divided by before.

        Returns
        -------
        torch.Tensor
            In the order of the ids (clip, class), fp64.
        """
        windows = [torch.stack(self.logits[name]) for name in self.ids()]
        counts = torch.tensor([len(rows) for rows in windows])
        place = torch.arange(len(counts)).repeat_interleave(counts)
        # in double precision no order of the windows moves a vote
        votes = torch.cat(windows).double() / temperature
        tags = activation == "sigmoid"
        votes = votes.sigmoid() if tags else votes.log_softmax(dim=1)
        total = votes.new_zeros(len(counts), votes.shape[1])
        mean = total.index_add(0, place, votes) / counts.unsqueeze(1)
        return mean if tags else mean.softmax(dim=1)

    def table(self, labels, activation="softmax", temperature=1.0):
        """One row for each clip.

        Arguments
        ---------
        labels : list of str
            The names of the classes.
        activation, temperature
            As for ``probabilities``.

        Returns
        -------
        pandas.DataFrame
            Columns id, label, predicted, and ``p(<label>)`` for each label;
            several labels have | between them.
        """
        import pandas

        said = self.probabilities(activation, temperature)
        true = [
            SEPARATOR.join(labels[i] for i in self.targets[name])
            for name in self.ids()
        ]
        best = [predicted(row, labels, activation) for row in said.tolist()]
        table = pandas.DataFrame(
            {"id": self.ids(), "label": true, "predicted": best}
        )
        columns = [f"p({label})" for label in labels]
        values = pandas.DataFrame(said.numpy(), columns=columns)
        return pandas.concat([table, values], axis=1)


@main_process_only
def write_predictions(table, path):
    """Write a table at once, as csv.

    Arguments
    ---------
    table : pandas.DataFrame
        As ``Predictions.table`` returns it.
    path : str
        The file.
    """
    table.to_csv(f"{path}.part", index=False, float_format="%.7g")
    os.replace(f"{path}.part", path)


def read_predictions(path):
    """Read what ``write_predictions`` wrote.

    Arguments
    ---------
    path : str or os.PathLike
        A predictions.csv.

    Returns
    -------
    pandas.DataFrame
        Ids and labels are words, also one that is called NA.
    """
    import pandas

    words = {"id": str, "label": str, "predicted": str}
    try:
        return pandas.read_csv(path, dtype=words, keep_default_na=False)
    except ValueError as error:  # of any kind that pandas has
        raise InputError(f"{path} cannot be read: {error}")


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
