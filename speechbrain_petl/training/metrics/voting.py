"""Metrics per file: the windows of a file vote by their mean log-probability."""

from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class PerFile(Metric):
    """A measure over files, of which the batches hold windows.

    Exact under torchrun however the windows are dealt out: they are gathered
    before a file's log-probabilities are averaged.

    Arguments
    ---------
    measure : callable
        Takes mean log-probabilities and soft targets, both
        (file, class), and returns a tensor.
    activation : str
        "softmax", or "sigmoid" for tags: mean probabilities.

    Example
    -------
    >>> import torch
    >>> logits = torch.tensor([[0.0, 1.0], [5.0, 0.0], [0.0, 1.0]])
    >>> targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> metric = PerFile(top)
    >>> metric.update(logits, targets, files=torch.tensor([7, 7, 9]))
    >>> metric.compute()
    tensor(1.)
    """

    full_state_update = False

    def __init__(self, measure, activation="softmax"):
        super().__init__()
        self.measure, self.activation = measure, activation
        for name in ("logits", "targets", "files"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, logits, targets, files):
        """Count logits and soft targets (window, class), and files (window,)."""
        self.logits.append(logits)
        self.targets.append(targets)
        self.files.append(files.to(logits.device))

    def compute(self):
        """Whatever the measure returns."""
        numbers = dim_zero_cat(self.files).cpu()
        _, index, windows = numbers.unique(
            return_inverse=True, return_counts=True
        )

        def mean(x):
            """Over the windows of each file."""
            total = x.new_zeros(len(windows), x.shape[1])
            return total.index_add_(0, index, x) / windows.unsqueeze(1)

        # in double precision no order of the windows moves a vote
        votes = _double(dim_zero_cat(self.logits))
        tags = self.activation == "sigmoid"
        votes = votes.sigmoid() if tags else votes.log_softmax(dim=1)
        return self.measure(mean(votes), mean(dim_zero_cat(self.targets).cpu()))


def vote(logits, activation="softmax"):
    """What the windows of a file say together.

    Classes that exclude each other get the mean log-probability, as above;
    tags, which may be heard in a part of a file, the mean probability.

    Arguments
    ---------
    logits : torch.Tensor
        Of the classes (file, window, class).
    activation : str
        "softmax", or "sigmoid" for tags.

    Returns
    -------
    torch.Tensor
        Probabilities (file, class), fp32.

    Example
    -------
    >>> import torch
    >>> logits = torch.tensor([[[0.0, 2.0], [0.0, 0.0]]])
    >>> vote(logits), vote(logits, "sigmoid")
    (tensor([[0.2689, 0.7311]]), tensor([[0.5000, 0.6904]]))
    """
    votes = _double(logits)
    if activation == "sigmoid":
        said = votes.sigmoid().mean(dim=1)
    else:
        said = votes.log_softmax(dim=2).mean(dim=1).softmax(dim=1)
    return said.float().to(logits.device)


def _double(x):
    """On the CPU: not every device has 64 bits."""
    return x.cpu().double()


def top(scores, targets, k=1):
    """Ratio of the files that have one of their classes among the k best.

    Arguments
    ---------
    scores : torch.Tensor
        Of the classes (file, class).
    targets : torch.Tensor
        Of each class (file, class).
    k : int
        1 for accuracy.

    Returns
    -------
    torch.Tensor
        A number.

    Example
    -------
    >>> import torch
    >>> scores = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> top(scores, torch.eye(3)[[0, 1]]), top(scores, torch.eye(3)[:2], k=2)
    (tensor(0.5000), tensor(1.))
    """
    best = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return (targets.gather(1, best) > 0).any(dim=1).float().mean()


def confusion(scores, targets):
    """How many files of each class were taken for which.

    Arguments
    ---------
    scores, targets : torch.Tensor
        As for ``top``, the targets one-hot.

    Returns
    -------
    torch.Tensor
        Number of files (true class, predicted class).

    Example
    -------
    >>> import torch
    >>> confusion(torch.eye(2)[[0, 1, 1]], torch.eye(2)[[0, 0, 1]])
    tensor([[1, 1],
            [0, 1]])
    """
    classes = scores.shape[1]
    pairs = targets.argmax(1) * classes + scores.argmax(1)
    return pairs.bincount(minlength=classes**2).view(classes, classes)


def uar(scores, targets):
    """Unweighted average recall: the mean over the classes that occur.

    Arguments
    ---------
    scores, targets : torch.Tensor
        As for ``top``, the targets one-hot.

    Returns
    -------
    torch.Tensor
        A number.

    Example
    -------
    >>> import torch
    >>> uar(torch.eye(2)[[0, 1, 1]], torch.eye(2)[[0, 0, 1]])
    tensor(0.7500)
    """
    matrix = confusion(scores, targets)
    files = matrix.sum(dim=1)
    return (matrix.diagonal()[files > 0] / files[files > 0]).mean()


def macro_f1(scores, targets):
    """Mean F1 over the classes that occur or are predicted.

    Arguments
    ---------
    scores, targets : torch.Tensor
        As for ``top``, the targets one-hot.

    Returns
    -------
    torch.Tensor
        A number.

    Example
    -------
    >>> import torch
    >>> macro_f1(torch.eye(2)[[0, 1, 1]], torch.eye(2)[[0, 0, 1]])
    tensor(0.6667)
    """
    matrix = confusion(scores, targets)
    either = matrix.sum(dim=0) + matrix.sum(dim=1)
    return (2 * matrix.diagonal()[either > 0] / either[either > 0]).mean()
