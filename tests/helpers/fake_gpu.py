"""A GPU that is not there: torch's fake tensors, and what waits for a device.

A fake tensor has a shape, a type and a device, and no values: code that asks
for one (``.item()``, ``if tensor``, ``nonzero``, an index of booleans) raises.
The backward pass needs a device that exists, so that a forward pass is tried on
"cuda" and a whole step on "cpu".
"""

from unittest import mock

import torch
from benchmarks.counting import emptied
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from speechbrain.dataio.batch import PaddedBatch, PaddedData

GRU_CELL = torch.ops.aten._thnn_fused_gru_cell.default  # a GPU's


class Crossing(AssertionError):
    """A tensor was made on another device, or moved to it."""


class Watch(TorchDispatchMode):
    """Refuses whatever leaves the GPU, but what a batch brings there.

    Arguments
    ---------
    given : list of torch.Tensor
        On the CPU; they may be moved, if nobody waits for that.
    """

    def __init__(self, given=()):
        super().__init__()
        self.given = {id(tensor) for tensor in given}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Compute, then look where the result is."""
        kwargs = kwargs or {}
        if func is GRU_CELL:
            return made_by_gru_cell(*args)
        made = func(*args, **kwargs)
        if func.namespace == "prim":  # asks what a tensor is, computes nothing
            return made
        if "cpu" in devices(made):
            raise Crossing(f"{func} makes or leaves a tensor on the CPU")
        if "cpu" in devices((args, kwargs)):
            moved = func is torch.ops.aten._to_copy.default
            if not (moved and id(args[0]) in self.given):
                raise Crossing(f"{func} takes a tensor of the CPU")
            if not kwargs.get("non_blocking"):
                raise Crossing(f"{func} waits until the batch is copied")
        return made


def made_by_gru_cell(inputs, hidden, state, *biases):
    """The next state, and what is kept; torch has no fake one."""
    return torch.empty_like(state), state.new_empty(
        len(state), 5, state.shape[1]
    )


def devices(values):
    """Where the tensors among some values are; numbers are everywhere."""
    return {
        leaf.device.type
        for leaf in tree_leaves(values)
        if isinstance(leaf, torch.Tensor) and leaf.dim()
    }


def faking():
    """Inside, all tensors are fake."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def autocast(dtype=torch.bfloat16):
    """That of a GPU; torch refuses to make one where there is none."""
    there = {"is_available": lambda: True, "is_bf16_supported": lambda: True}
    with mock.patch.multiple(torch.cuda, **there):
        return torch.autocast("cuda", dtype)


def fake(value, mode):
    """The tensors of a batch, on the CPU as a loader leaves them."""
    if isinstance(value, torch.Tensor):
        return mode.from_tensor(value)
    if isinstance(value, PaddedData):
        return PaddedData(*(fake(part, mode) for part in value))
    if isinstance(value, PaddedBatch):
        for name, part in vars(value).items():
            setattr(value, name, fake(part, mode))
    return value


def forward_on_gpu(module, *inputs):
    """Compute in training, in bf16; a wait or a crossing raises."""
    with faking():
        module = emptied(module, "cuda").train()
        inputs = [
            torch.empty(x.shape, dtype=x.dtype, device="cuda") for x in inputs
        ]
        with Watch(), autocast():
            return module(*inputs)
