"""What a step asks of a GPU, counted on tensors that hold nothing.

Operations of products, bytes read and written, kernels, and the most memory
that is alive at one time: of torch's fake tensors, by a dispatch mode. One
kernel is counted for each operation that computes, and none for a view.
"""

import weakref
from dataclasses import dataclass, field
from itertools import count
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "flash_attention")
FREE = ("empty", "empty_like", "new_empty", "empty_strided", "detach")
FREE += ("_unsafe_view",)
SDPA = "_scaled_dot_product_flash_attention_for_cpu"


@dataclass
class Call:
    """One kernel."""

    name: str
    flops: float
    dtype: torch.dtype
    read: dict = field(default_factory=dict)  # storage -> bytes
    written: dict = field(default_factory=dict)

    @property
    def product(self):
        """Whether it is one of those that compile leaves alone."""
        return self.flops > 0 or any(name in self.name for name in PRODUCTS)

    @property
    def bytes(self):
        """Read and written."""
        return sum(self.read.values()) + sum(self.written.values())


class Counter(TorchDispatchMode):
    """Notes every kernel, and how much memory is alive."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.alive = self.most = 0
        self.serial, self.serials = {}, count()  # address -> number, of each

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Compute a shape and count."""
        made = func(*args, **(kwargs or {}))
        inputs, outputs = tensors((args, kwargs)), tensors(made)
        for tensor in inputs:
            self._place(tensor)  # weights are there before
        for tensor in outputs:
            self._born(tensor)
        name = func.overloadpacket.__name__
        if func.namespace == "aten" and not (name in FREE or is_view(func)):
            self._note(func, name, args, kwargs or {}, made, inputs, outputs)
        return made

    def _note(self, func, name, args, kwargs, made, inputs, outputs):
        formula = flop_registry.get(func.overloadpacket)
        flops = 0
        if name.startswith(SDPA):
            shapes = [tensor.shape for tensor in args[:4]]
            flops = attention_flops(shapes, backward="backward" in name)
        elif formula:
            flops = formula(*args, **kwargs, out_val=made)
        products = [tensor for tensor in outputs if tensor.is_floating_point()]
        self.calls.append(
            Call(
                name,
                flops,
                products[0].dtype if products else torch.float32,
                {self._place(t): size_of(t) for t in inputs},
                {self._place(t): size_of(t) for t in outputs},
            )
        )

    def _place(self, tensor):
        """What tells its memory from another's, also one that takes its place."""
        address = tensor.untyped_storage()._cdata
        number = self.serial.setdefault(address, next(self.serials))
        return number, tensor.storage_offset()

    def _born(self, tensor):
        """Count the memory of a tensor until it is gone."""
        memory = tensor.untyped_storage()
        if memory._cdata in self.serial:
            return
        self._place(tensor)
        self.alive += memory.nbytes()
        self.most = max(self.most, self.alive)
        weakref.finalize(memory, self._gone, memory._cdata, memory.nbytes())

    def _gone(self, address, size):
        self.serial.pop(address)
        self.alive -= size


def attention_flops(shapes, backward):
    """Of fused attention: two products, and five to go back."""
    query, key, value = shapes[1:] if backward else shapes[:3]
    forward = sdpa_flop_count(query, key, value)
    return forward * 5 // 2 if backward else forward


def tensors(values):
    """Those among some values."""
    return [x for x in tree_leaves(values) if isinstance(x, torch.Tensor)]


def size_of(tensor):
    """Bytes that are read or written: an expanded tensor is read once."""
    sizes = [n for n, s in zip(tensor.shape, tensor.stride()) if s]
    return torch.Size(sizes).numel() * tensor.element_size()


def is_view(func):
    """Whether an operation returns what it was given, and computes nothing."""
    returns = func._schema.returns
    alias = returns[0].alias_info if returns else None
    return alias is not None and not alias.is_write


def emptied(module, device):
    """The module with fake weights there; shared ones are no longer shared."""
    for part in module.modules():
        for name, value in list(part.named_parameters(recurse=False)):
            made = torch.empty(value.shape, dtype=value.dtype, device=device)
            made = torch.nn.Parameter(made, value.requires_grad)
            part.register_parameter(name, made)
        for name, value in list(part.named_buffers(recurse=False)):
            made = torch.empty(value.shape, dtype=value.dtype, device=device)
            setattr(part, name, made)
    return module


def counted(model, batch, precision):
    """Count the second step of a Trainer.

    Arguments
    ---------
    model : torch.nn.Module
        Its weights are lost.
    batch : int
        Clips.
    precision : str
        "bf16" for autocast, that of a CPU, whose rules are a GPU's here.

    Returns
    -------
    Counter
        Of that step.
    """
    from .subjects import Trainer

    # weights that are there already need not be moved, and cannot be
    there = mock.patch.object(torch.nn.Module, "to", lambda self, device: self)
    with there, FakeTensorMode(allow_non_fake_inputs=True):
        trainer = Trainer(emptied(model, "cpu"), batch, "cpu", precision)
        trainer.step()
        with Counter() as counter:
            trainer.step()
    return counter
