"""How far probabilities can be trusted, and one temperature that mends them.

Expected calibration error and temperature scaling are those of
https://arxiv.org/abs/1706.04599.
"""

import math

import torch
from torch.nn import functional as F
from tqdm import tqdm

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process

from .predictions import Predictions

BINS = 15  # of the confidence, as in the paper
COLDEST, HOTTEST = 0.05, 20.0  # temperatures


def reliability(confidence, right, bins=BINS):
    """How often an answer is right, by how sure of it the model is.

    Arguments
    ---------
    confidence : torch.Tensor
        Probability of each answer (answer,).
    right : torch.Tensor
        Whether it is (answer,).
    bins : int
        Of equal width, of the confidence.

    Returns
    -------
    list of tuple
        (answers, their mean confidence, the ratio that is right) of each bin
        that has any.

    Example
    -------
    >>> sure = torch.tensor([0.25, 0.75, 0.875, 0.875])
    >>> reliability(sure, torch.tensor([0, 1, 1, 0]), bins=2)
    [(1, 0.25, 0.0), (3, 0.8333333333333334, 0.6666666666666666)]
    """
    confidence, right = confidence.double(), right.double()
    index = (confidence * bins).long().clamp(0, bins - 1)
    rows = []
    for number in index.unique().tolist():
        chosen = index == number
        mean = (float(x[chosen].mean()) for x in (confidence, right))
        rows.append((int(chosen.sum()), *mean))
    return rows


def calibration_error(confidence, right, bins=BINS):
    """The expected calibration error, ECE.

    Arguments
    ---------
    confidence, right, bins
        As for ``reliability``.

    Returns
    -------
    float
        Mean distance of confidence and ratio of right answers, 0 to 1.

    Example
    -------
    >>> calibration_error(torch.tensor([0.75, 0.75]), torch.tensor([1, 0]))
    0.25
    """
    rows = reliability(confidence, right, bins)
    return sum(n * abs(sure - ratio) for n, sure, ratio in rows) / len(right)


def answers_of(probabilities, truth, activation="softmax"):
    """What a model has said that is right or wrong, and how sure it was.

    Arguments
    ---------
    probabilities : torch.Tensor
        Of the classes (clip, class).
    truth : torch.Tensor
        1 for the classes of a clip, else 0 (clip, class).
    activation : str
        With "softmax" a clip is one answer, its likeliest class; with
        "sigmoid" each tag of each clip is one.

    Returns
    -------
    confidence, right : torch.Tensor
        As for ``reliability``.

    Example
    -------
    >>> answers_of(torch.tensor([[0.75, 0.25]]), torch.tensor([[0.0, 1.0]]))
    (tensor([0.7500]), tensor([0.]))
    """
    if activation == "sigmoid":
        return probabilities.flatten(), truth.flatten()
    confidence, best = probabilities.max(dim=1)
    return confidence, truth.gather(1, best.unsqueeze(1)).squeeze(1)


def fit_temperature(predictions, activation="softmax"):
    """The temperature whose probabilities are the likeliest.

    The truth is smoothed as in Platt's scaling, to (n + 1) / (n + 2) of n
    clips, so that a set without mistakes does not ask for certainty.

    Arguments
    ---------
    predictions : Predictions
        Of a validation set.
    activation : str
        "softmax" or "sigmoid".

    Returns
    -------
    float
        To divide logits by; 1 where there is nothing to fit.

    Example
    -------
    >>> said, logits = Predictions(), torch.tensor([[9.0, 0]]).expand(4, 2)
    >>> said.add("abcd", logits, torch.tensor([0, 0, 0, 1]))
    >>> round(fit_temperature(said), 2)  # 9 / log(17 / 7)
    10.14
    """
    if not predictions.logits:
        return 1.0
    truth, tags = predictions.truth(), activation == "sigmoid"
    smooth = 1 / (len(truth) + 2)
    rest = 1 - truth if tags else torch.full_like(truth, 1 / truth.shape[1])
    if not tags:
        truth = truth / truth.sum(dim=1, keepdim=True)
    truth = (1 - smooth) * truth + smooth * rest
    logarithm = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithm], line_search_fn="strong_wolfe")

    def _loss():
        optimizer.zero_grad()
        said = predictions.probabilities(activation, logarithm.exp())
        if tags:
            loss = F.binary_cross_entropy(said, truth)
        else:
            least = torch.finfo(said.dtype).tiny
            loss = -(truth * said.clamp(min=least).log()).sum(dim=1).mean()
        loss.backward()
        return loss

    optimizer.step(_loss)
    found = float(logarithm.detach().exp())
    return min(max(found, COLDEST), HOTTEST) if math.isfinite(found) else 1.0


@torch.no_grad()
def temperature_on(brain, datasets, loader):
    """The temperature of the weights that a Brain has tested.

    Arguments
    ---------
    brain : PETLBrain
        After its test; what that has noted stays.
    datasets : dict
        Of which "valid" is used, if it is not what was tested.
    loader : dict
        Arguments of the data loader.

    Returns
    -------
    float
        As ``fit_temperature``; 1 without such clips, and for a recipe that
        gives ``score`` no ids.
    """
    tested, dataset = brain.predictions, datasets.get("valid")
    if dataset is None or brain.test_on == "valid":
        return 1.0
    if not (tested.logits and tested.has_probabilities):
        return 1.0
    brain.predictions, brain.stage = Predictions(), sb.Stage.VALID
    loader = {**loader, "ckpt_prefix": None}
    batches = brain.make_dataloader(dataset, sb.Stage.TEST, **loader)
    hidden = brain.noprogressbar or not if_main_process()
    bar = tqdm(batches, "calibrating", disable=hidden or None)
    for step, batch in enumerate(bar, start=1):
        brain.evaluate_batch(batch, brain.stage)
        if brain.debug and step == brain.debug_batches:
            break
    valid, brain.predictions = brain.predictions, tested
    valid.gather()
    return fit_temperature(valid, brain.activation)


def measure(predictions, activation, temperature):
    """What a result says of calibration.

    Arguments
    ---------
    predictions : Predictions
        Of the test set.
    activation : str
        "softmax" or "sigmoid".
    temperature : float
        As ``fit_temperature`` found it.

    Returns
    -------
    dict
        The temperature, the ECE with it, and without.
    """
    truth = predictions.truth()
    error, without = (
        calibration_error(
            *answers_of(
                predictions.probabilities(activation, t), truth, activation
            )
        )
        for t in (temperature, 1.0)
    )
    return {"temperature": temperature, "ECE": error, "ECE_without": without}
