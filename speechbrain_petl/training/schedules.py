"""Learning rates of the steps of a run: what a recipe's ``scheduler`` makes.

A scheduler is a callable that takes the optimizer and, if it names them,
``steps``, ``epochs`` and ``steps_per_epoch``, and returns one of torch's; it
moves on once a step.
"""

import inspect

from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from ..errors import InputError

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


class PerEpoch:
    """One of torch's schedulers, moved on once an epoch.

    Arguments
    ---------
    optimizer : torch.optim.Optimizer
        The optimizer.
    steps_per_epoch : int
        Steps of the optimizer.
    scheduler : callable
        Takes the optimizer: ``torch.optim.lr_scheduler.StepLR`` for example.

    Example
    -------
    >>> import torch
    >>> from functools import partial
    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> step = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    >>> rates_of(PerEpoch(sgd, 2, step), 5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer, steps_per_epoch, scheduler):
        self.optimizer, self.steps_per_epoch = optimizer, steps_per_epoch
        self.scheduler, self.steps = scheduler(optimizer), 0

    def step(self):
        """Count a step; at the end of an epoch, move on."""
        self.steps += 1
        if self.steps % self.steps_per_epoch == 0:
            self.scheduler.step()

    def state_dict(self):
        """What ``load_state_dict`` takes."""
        return {"steps": self.steps, **self.scheduler.state_dict()}

    def load_state_dict(self, state):
        """Go on from a state."""
        state = dict(state)
        self.steps = state.pop("steps")
        self.scheduler.load_state_dict(state)


class SpeechBrainSchedule:
    """One of SpeechBrain's schedulers that are called with the optimizer.

    Arguments
    ---------
    optimizer : torch.optim.Optimizer
        The optimizer.
    scheduler : object
        Called once a step with the optimizer, and the number of the step if
        it takes one: ``speechbrain.nnet.schedulers.NoamScheduler`` and others.

    Example
    -------
    >>> import torch
    >>> from speechbrain.nnet.schedulers import NoamScheduler
    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> noam = NoamScheduler(lr_initial=1.0, n_warmup_steps=2)
    >>> rates_of(SpeechBrainSchedule(sgd, noam), 4)
    [0.5, 1.0, 0.8165, 0.7071]
    """

    def __init__(self, optimizer, scheduler):
        self.optimizer, self.scheduler, self.steps = optimizer, scheduler, -1
        taken = [p for p in inspect.signature(scheduler).parameters]
        if not taken or not taken[0].startswith("opt") or len(taken) > 2:
            raise InputError(
                f"scheduler: {type(scheduler).__name__} takes "
                f"{', '.join(taken)}: name one that takes the optimizer alone, "
                "or with the number of the step"
            )
        self.counts = len(taken) == 2
        self.step()

    def step(self):
        """Set the rate of the next step."""
        self.steps += 1
        count = (self.steps,) if self.counts else ()
        rates = self.scheduler(self.optimizer, *count)
        rate = rates[-1] if isinstance(rates, tuple) else None
        for group in self.optimizer.param_groups if rate is not None else ():
            group["lr"] = rate

    def state_dict(self):
        """What ``load_state_dict`` takes: its numbers."""
        kept = vars(self.scheduler).items()
        numbers = {k: v for k, v in kept if isinstance(v, (int, float))}
        return {"steps": self.steps, **numbers}

    def load_state_dict(self, state):
        """Go on from a state."""
        state = dict(state)
        self.steps = state.pop("steps")
        vars(self.scheduler).update(state)


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
        return factory(optimizer, **known)
    except (TypeError, ValueError) as error:
        raise InputError(f"scheduler: {error}") from error


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
