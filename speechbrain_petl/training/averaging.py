"""The average of the weights of several epochs (https://arxiv.org/abs/1803.05407).

Of the best or last checkpoints, or of a range of epochs as it goes by.
"""

import torch

from speechbrain.utils.checkpoints import (
    average_checkpoints,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.logger import get_logger

from ..adapters.adapted import AdaptedEncoder
from ..errors import InputError
from .checkpoints import naming

logger = get_logger(__name__)

AVERAGE = "average"  # its name in a checkpoint


@register_checkpoint_hooks
class RangeAverage:
    """The mean of what was learned in the epochs of a range.

    Kept as a sum, so that there need be no checkpoint of each.

    Arguments
    ---------
    modules : dict
        Name -> module that trains.
    first, last : int
        Epochs, both counted.

    Example
    -------
    >>> linear = torch.nn.Linear(1, 1, bias=False)
    >>> average = RangeAverage({"linear": linear}, first=2, last=3)
    >>> for epoch in (1, 2, 3, 4):
    ...     _ = torch.nn.init.constant_(linear.weight, epoch)
    ...     average.add(epoch)
    >>> average.put()
    [2, 3]
    >>> linear.weight.item()
    2.5
    """

    def __init__(self, modules, first, last):
        if not 1 <= first <= last:
            raise InputError(
                f"average_range=[{first}, {last}]: give the first and the last epoch"
            )
        self.modules, self.range = modules, range(first, last + 1)
        self.epochs, self.sums = [], {}

    def add(self, epoch):
        """Count the weights at the end of an epoch."""
        if epoch not in self.range:
            return
        self.epochs.append(epoch)
        for name, module in self.modules.items():
            for key, value in _learned(module).items():
                key = f"{name}.{key}"
                own = value.double() if value.is_floating_point() else value
                # a sum that was loaded is on the CPU
                before = self.sums.get(key, torch.zeros_like(own))
                self.sums[key] = own + before.to(own.device)

    def put(self):
        """Let the modules have the mean.

        Returns
        -------
        list of int
            The epochs.
        """
        for name, module in self.modules.items():
            state = {
                key: (self.sums[f"{name}.{key}"] / len(self.epochs)).to(value)
                for key, value in _learned(module).items()
            }
            _load(module, state, "the average")
        return self.epochs

    @mark_as_saver
    def save(self, path):
        """Write the sums."""
        torch.save({"epochs": self.epochs, "sums": self.sums}, path)

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Go on from sums."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.epochs, self.sums = saved["epochs"], saved["sums"]


def keep_average(epochs, checkpointer, names):
    """Get ready for the average of a range of epochs.

    Arguments
    ---------
    epochs : list of int
        [first, last], or nothing.
    checkpointer : speechbrain.utils.checkpoints.Checkpointer
        Of the run.
    names : sequence of str
        Its recoverables to be averaged.

    Returns
    -------
    RangeAverage
        That is among the recoverables now; None without epochs.
    """
    if not epochs:
        return None
    if not isinstance(epochs, list) or [*map(type, epochs)] != [int, int]:
        raise InputError(f"average_range={epochs}: give [first, last], epochs")
    modules = {name: checkpointer.recoverables[name] for name in names}
    kept = RangeAverage(modules, *epochs)
    checkpointer.add_recoverable(AVERAGE, kept)
    return kept


def _learned(module):
    return getattr(module, "adapter_state", module.state_dict)()


def _load(module, state, source):
    if isinstance(module, AdaptedEncoder):  # that is not its whole state
        module.load_adapter_state(state, source=source)
    else:
        module.load_state_dict(state)


def load_average(checkpointer, names, count, max_key=None, kept=None):
    """Load the average of the checkpoints of several epochs.

    Arguments
    ---------
    checkpointer : speechbrain.utils.checkpoints.Checkpointer
        Where they are.
    names : sequence of str
        Its recoverables to be averaged; the others stay as they are.
    count : int
        At most so many epochs.
    max_key : str, optional
        Those with the highest values of this metric; without it the last.
    kept : RangeAverage, optional
        Load this one in place of them, as the last checkpoint has it.

    Returns
    -------
    list of int
        The epochs.

    Example
    -------
    >>> import torch
    >>> from speechbrain.utils.checkpoints import Checkpointer
    >>> linear = torch.nn.Linear(1, 1, bias=False)
    >>> checkpointer = Checkpointer(getfixture("tmp_path"), {"linear": linear})
    >>> for epoch in (1, 2, 3):
    ...     _ = torch.nn.init.constant_(linear.weight, epoch)
    ...     _ = checkpointer.save_checkpoint(meta={"epoch": epoch})
    >>> load_average(checkpointer, ["linear"], count=2)
    [2, 3]
    >>> linear.weight.item()
    2.5
    """
    last = checkpointer.find_checkpoint()
    if kept and last:
        kept.load(last.paramfiles[AVERAGE])
        if kept.epochs:
            return kept.put()
        logger.warning("average_range: no epoch of it was finished")
    found = checkpointer.find_checkpoints(
        max_key=max_key,
        max_num_checkpoints=count,
        ckpt_predicate=lambda checkpoint: "epoch" in checkpoint.meta,
    )
    if not found:
        raise InputError(
            f"{checkpointer.checkpoints_dir} holds no checkpoint of an epoch"
            + (f" with a validation {max_key}" if max_key else "")
            + ": train before you test"
        )
    for name in names:
        module = checkpointer.recoverables[name]
        with naming(*(checkpoint.path for checkpoint in found)):
            state = average_checkpoints(found, name)
        _load(module, state, str(found[0].paramfiles[name]))
    return sorted(checkpoint.meta["epoch"] for checkpoint in found)
