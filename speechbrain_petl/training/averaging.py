"""The average of the best or last checkpoints (https://arxiv.org/abs/1803.05407)."""

from speechbrain.utils.checkpoints import average_checkpoints

from ..adapters.adapted import AdaptedEncoder
from ..errors import InputError
from .checkpoints import naming


def load_average(checkpointer, names, count, max_key=None):
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
        if isinstance(module, AdaptedEncoder):  # that is not its whole state
            path = str(found[0].paramfiles[name])
            module.load_adapter_state(state, source=path)
        else:
            module.load_state_dict(state)
    return sorted(checkpoint.meta["epoch"] for checkpoint in found)
