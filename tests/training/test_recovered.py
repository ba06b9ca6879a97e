"""What a run goes on with lies on the device that it computes on.

A checkpoint is read onto the CPU; "meta" stands for the GPU of the run.
"""

from functools import partial

import torch
from speechbrain_petl import AdaptedEncoder
from torch.utils._pytree import tree_flatten_with_path
from torchmetrics.classification import MulticlassAUROC
from toy import ToyBrain, normalised, toy_brain, train


class Averaged(ToyBrain):
    """With a metric that keeps all scores, and the sums of an average."""

    def __init__(self, modules, *, metrics, **kwargs):
        every = metrics | {"auc": MulticlassAUROC(2)}
        more = {"metrics": every, "average_range": [1, 3]}
        super().__init__(modules, **more, **kwargs)


def brain_of(folder, **options):
    """A brain whose optimizer keeps tensors, too."""
    net = AdaptedEncoder(normalised(), train=["*"])
    adam = partial(torch.optim.Adam, lr=0.1)
    return toy_brain(folder, net, Averaged, adam, **options)


def tensors_of(recoverable):
    """All that it has, but the steps of an optimizer, which the CPU counts."""
    has_state = hasattr(recoverable, "state_dict")
    state = recoverable.state_dict() if has_state else vars(recoverable)
    return [
        leaf
        for path, leaf in tree_flatten_with_path(dict(state))[0]
        if torch.is_tensor(leaf) and getattr(path[-1], "key", None) != "step"
    ]


def test_all_that_is_recovered(tmp_path):
    """Of a run of the CPU, on another device."""
    train(brain_of(tmp_path, epochs=2))
    brain = brain_of(tmp_path, epochs=3, device="meta")
    brain.epochs, brain.steps_per_epoch = 3, 4
    brain.on_fit_start()
    assert brain.record.history[-1]["epoch"] == 2
    brain.range_average.add(epoch=3)  # to what it has of the others
    devices = {
        name: {tensor.device.type for tensor in tensors_of(recoverable)}
        for name, recoverable in brain.checkpointer.recoverables.items()
    }
    found = {name: types for name, types in devices.items() if types}
    having = ["net", "metrics", "optimizer", "average"]
    assert found == dict.fromkeys(having, {"meta"})
