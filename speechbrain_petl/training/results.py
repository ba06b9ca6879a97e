"""What a finished run leaves to be read: result.json and predictions.csv."""

import json
import math
import os
from pathlib import Path

import pandas
import torch

from speechbrain.utils.distributed import main_process_only

from ..errors import InputError

RESULT, PREDICTIONS = "result.json", "predictions.csv"
SEPARATOR = "|"  # between the labels of a clip that has several
NEEDED = {  # key of a result -> kind
    "dataset": str,
    "method": str,
    "metrics": dict,
    "trainable_parameters": int,
    "seconds": (int, float),
    "debug": bool,
    "history": list,
}


class Predictions:
    """What the classifier said of each clip, gathered over all processes.

    Rows of one id, the windows of a file, vote by their mean log-probability,
    as in ``voting.PerFile``.

    Arguments
    ---------
    labels : speechbrain.dataio.encoder.CategoricalEncoder
        The label set.

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

    def __init__(self, labels):
        self.labels = labels
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
        votes = logits.detach().cpu().double().log_softmax(dim=1)
        for name, vote, target in zip(ids, votes, targets.cpu()):
            self.scores.setdefault(name, []).append(vote)
            true = target.nonzero().flatten() if target.dim() else [target]
            self.truth[name] = [int(index) for index in true]

    def table(self):
        """One row for each clip.

        Returns
        -------
        pandas.DataFrame
            Columns id, label, predicted, and ``p(<label>)`` for each label.
        """
        name_of = self.labels.ind2lab
        rows = []
        for name in sorted(self.scores):
            mean = torch.stack(self.scores[name]).mean(dim=0)
            rows.append(
                {
                    "id": name,
                    "label": SEPARATOR.join(
                        str(name_of[i]) for i in self.truth[name]
                    ),
                    "predicted": name_of[int(mean.argmax())],
                    **{
                        f"p({name_of[i]})": p
                        for i, p in enumerate(mean.softmax(dim=0).tolist())
                    },
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


@main_process_only
def write_result(content, path):
    """Write at once, so that a killed run leaves no half a result.

    Arguments
    ---------
    content : dict
        Numbers that are not finite, which json does not know, become null.
    path : str
        The json file.
    """
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(_finite(content), file, indent=1, allow_nan=False)
    os.replace(f"{path}.part", path)


def read_result(path):
    """Read a result.json and check that it is one.

    Arguments
    ---------
    path : str
        The json file.

    Returns
    -------
    dict
        As ``PETLBrain.train_and_test`` returned it, with null for numbers
        that are not finite.
    """
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}")
    if not isinstance(result, dict):
        raise InputError(f"{path} is no result of a run: it holds no keys")
    for key, kind in NEEDED.items():
        if not isinstance(result.get(key), kind):
            raise InputError(f"{path} is no result of a run: {key} is missing")
    for name, value in result["metrics"].items():
        if value is not None and not isinstance(value, (int, float)):
            raise InputError(
                f"{path} is no result of a run: its {name} is {value!r}"
            )
    for entry in result["history"]:
        if not isinstance(entry, dict):
            raise InputError(
                f"{path} is no result of a run: its history holds {entry!r}"
            )
    return result


def identity(result):
    """What identifies a run: what its recipe put before the metrics.

    Arguments
    ---------
    result : dict
        As ``read_result`` returns it.

    Returns
    -------
    dict
        dataset, method, seed, ...

    Example
    -------
    >>> identity({"dataset": "ESC-50", "fold": 1, "metrics": {}, "seconds": 3})
    {'dataset': 'ESC-50', 'fold': 1}
    """
    keys = list(result)
    return {key: result[key] for key in keys[: keys.index("metrics")]}


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


def _finite(tree):
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_finite(value) for value in tree]
    if isinstance(tree, float) and not math.isfinite(tree):
        return None
    return tree
