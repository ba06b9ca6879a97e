"""Schedules of torch and of SpeechBrain that are not torch's of a step.

What moves on once an epoch is told of it by ``end_epoch``: its number, and the loss
of validation, or of training where there is none.
"""

import inspect

from torch.optim.lr_scheduler import ReduceLROnPlateau

from ..errors import InputError

# what SpeechBrain's are called with: the names of their parameters
OF_A_STEP = {"opt", "num_updates"}
OF_AN_EPOCH = {
    *("epoch", "current_epoch", "metric_value", "current_loss", "optim_list"),
}
PLAIN = (bool, int, float, str)


class PerEpoch:
    """One of torch's schedulers, moved on once an epoch.

    Arguments
    ---------
    optimizer : torch.optim.Optimizer
        The optimizer.
    steps_per_epoch : int
        Steps of the optimizer.
    scheduler : callable
        Takes the optimizer: ``torch.optim.lr_scheduler.StepLR`` for example,
        or ``ReduceLROnPlateau``, which is told the loss.

    Example
    -------
    >>> import torch
    >>> from functools import partial
    >>> from speechbrain_petl.training.schedules import rates_of
    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> step = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    >>> rates_of(PerEpoch(sgd, 2, step), 5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer, steps_per_epoch, scheduler):
        self.optimizer, self.steps_per_epoch = optimizer, steps_per_epoch
        self.scheduler, self.steps = scheduler(optimizer), 0
        self.waits = isinstance(self.scheduler, ReduceLROnPlateau)

    def step(self):
        """Count a step; at the end of an epoch, move on."""
        self.steps += 1
        if not self.waits and self.steps % self.steps_per_epoch == 0:
            self.scheduler.step()

    def end_epoch(self, epoch, loss):
        """Tell the loss to what goes by it."""
        if self.waits:
            self.scheduler.step(loss)

    def state_dict(self):
        """What ``load_state_dict`` takes."""
        return {"steps": self.steps, **self.scheduler.state_dict()}

    def load_state_dict(self, state):
        """Go on from a state."""
        state = dict(state)
        self.steps = state.pop("steps")
        self.scheduler.load_state_dict(state)


class SpeechBrainSchedule:
    """One of SpeechBrain's schedulers.

    Those that take the optimizer move on once a step, the others at the end of
    an epoch, as in SpeechBrain's recipes. Groups of parameters keep the ratio
    of their rates.

    Arguments
    ---------
    optimizer : torch.optim.Optimizer
        The optimizer.
    scheduler : object
        Of ``speechbrain.nnet.schedulers``, or one that is called alike.

    Example
    -------
    >>> import torch
    >>> from speechbrain.nnet.schedulers import NoamScheduler
    >>> from speechbrain_petl.training.schedules import rates_of
    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> noam = NoamScheduler(lr_initial=1.0, n_warmup_steps=2)
    >>> rates_of(SpeechBrainSchedule(sgd, noam), 4)
    [0.5, 1.0, 0.8165, 0.7071]
    """

    def __init__(self, optimizer, scheduler):
        self.optimizer, self.scheduler, self.steps = optimizer, scheduler, -1
        rates = [group["lr"] for group in optimizer.param_groups]
        self.ratios = [rate / rates[0] if rates[0] else 1.0 for rate in rates]
        self.taken = list(inspect.signature(scheduler).parameters)
        self.per_step = bool(self.taken) and OF_A_STEP.issuperset(self.taken)
        if not self.per_step and not OF_AN_EPOCH.issuperset(self.taken):
            raise InputError(
                f"scheduler: {type(scheduler).__name__} takes "
                f"{', '.join(self.taken)}: name one that takes the optimizer "
                "and the number of the step, or that of the epoch and the loss"
            )
        if self.per_step:
            self.step()

    def step(self):
        """Set the rate of the next step."""
        self.steps += 1
        if hasattr(self.scheduler, "on_batch_end"):  # a cyclic one
            self.scheduler.on_batch_end(self.optimizer)
            self._set(None)
        elif self.per_step:
            self._call(opt=self.optimizer, num_updates=self.steps)

    def end_epoch(self, epoch, loss):
        """Set the rate of the next epoch."""
        if self.per_step or hasattr(self.scheduler, "on_batch_end"):
            return
        numbers = dict.fromkeys(("epoch", "current_epoch"), epoch)
        losses = dict.fromkeys(("metric_value", "current_loss"), loss)
        self._call(**numbers, **losses, optim_list=[self.optimizer])

    def _call(self, **known):
        self._set(self.scheduler(*(known[name] for name in self.taken)))

    def _set(self, rates):
        """The rate that it has returned, or that all groups have now."""
        groups = self.optimizer.param_groups
        rate = rates[-1] if isinstance(rates, tuple) else groups[0]["lr"]
        for group, ratio in zip(groups, self.ratios):
            group["lr"] = rate * ratio

    def state_dict(self):
        """What ``load_state_dict`` takes: what is plain of it."""
        kept = vars(self.scheduler).items()
        return {"steps": self.steps, **{k: v for k, v in kept if _is_plain(v)}}

    def load_state_dict(self, state):
        """Go on from a state."""
        state = dict(state)
        self.steps = state.pop("steps")
        vars(self.scheduler).update(state)


def _is_plain(value):
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN)
