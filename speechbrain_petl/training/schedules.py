"""Learning rates of the steps of a run: what a recipe's ``scheduler`` makes.

A scheduler is a callable that takes the optimizer and, if it names them,
``steps``, ``epochs`` and ``steps_per_epoch``, and returns one of torch's; it
moves on once a step.
"""

import inspect

from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    ReduceLROnPlateau,
)

from ..errors import InputError
from .foreign_schedules import PerEpoch

EVERY = 50  # steps between two warm-up rates of the original AST


def cosine(optimizer, steps):
    """From the learning rate to zero, along half a cosine.

    Arguments
    ---------
    optimizer : torch.optim.Optimizer
        The optimizer.
    steps : int
        Of the run.

    Returns
    -------
    torch.optim.lr_scheduler.LRScheduler
        The schedule.

    Example
    -------
    >>> import torch
    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> rates_of(cosine(sgd, steps=4), 5)
    [1.0, 0.8536, 0.5, 0.1464, 0.0]
    """
    return CosineAnnealingLR(optimizer, steps)


def warmup_multistep(
    optimizer, steps_per_epoch, start, step=1, decay=0.5, warmup=0
):
    """The schedule of the original AST (https://arxiv.org/abs/2104.01778).

    After ``start`` epochs, and every ``step`` epochs from there, the rate is
    multiplied by ``decay``. In the first ``warmup`` steps it is set to their
    share of the rate every 50 steps, so that the first 50 have none and a
    decay that falls into them is lost, as in the released code.

    Arguments
    ---------
    optimizer : torch.optim.Optimizer
        The optimizer.
    steps_per_epoch : int
        Steps of the optimizer.
    start : int
        Epochs before the first decay.
    step : int
        Epochs from one to the next.
    decay : float
        Factor.
    warmup : int
        Steps; 1000 for AudioSet, 0 for none.

    Returns
    -------
    torch.optim.lr_scheduler.LRScheduler
        The schedule.

    Example
    -------
    >>> import torch
    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> rates_of(warmup_multistep(sgd, steps_per_epoch=2, start=1), 5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    if start < 1 or step < 1 or decay <= 0 or warmup < 0:
        raise InputError(
            f"scheduler: start={start}, step={step}: give 1 or more epochs; "
            f"decay={decay}: more than 0; warmup={warmup}: 0 or more steps"
        )

    def decays(number):
        """How many there have been before a step, counted from 0."""
        epochs = number // steps_per_epoch
        return max((epochs - start) // step + 1, 0)

    def rate(number):
        if not warmup:
            return decay ** decays(number)
        last = min(number // EVERY * EVERY, warmup // EVERY * EVERY)
        return last / warmup * decay ** (decays(number) - decays(last))

    return LambdaLR(optimizer, rate)


def make_schedule(factory, optimizer, **lengths):
    """Call a recipe's scheduler with what it takes.

    Arguments
    ---------
    factory : callable
        The ``scheduler`` of a recipe.
    optimizer : torch.optim.Optimizer
        The optimizer.
    **lengths : int
        steps, epochs and steps_per_epoch.

    Returns
    -------
    torch.optim.lr_scheduler.LRScheduler
        The schedule.
    """
    try:
        taken = inspect.signature(factory).parameters
        known = {k: v for k, v in lengths.items() if k in taken}
        made = factory(optimizer, **known)
    except (TypeError, ValueError) as error:
        raise InputError(f"scheduler: {error}") from error
    if isinstance(made, ReduceLROnPlateau):
        return PerEpoch(optimizer, lengths["steps_per_epoch"], lambda _: made)
    return made


def rates_of(schedule, steps):
    """The learning rates of the first steps, for a look.

    Arguments
    ---------
    schedule : torch.optim.lr_scheduler.LRScheduler
        Moved on.
    steps : int
        How many.

    Returns
    -------
    list of float
        Of the first parameter group.
    """
    rates = []
    for _ in range(steps):
        rates.append(round(schedule.optimizer.param_groups[0]["lr"], 4))
        schedule.optimizer.step()
        schedule.step()
    return rates
