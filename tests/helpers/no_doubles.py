"""Tensors of a device without 64 bits, as Apple's mps is: emulated on a CPU."""

import torch

DOUBLES = {torch.float64, torch.complex128}
WAITS = {  # for the device to have computed all that was asked for
    *(torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.numpy),
    *(torch.Tensor.__bool__, torch.Tensor.__float__, torch.Tensor.__int__),
    *(torch.Tensor.nonzero, torch.nonzero, torch.unique, torch.Tensor.unique),
    *(torch.Tensor.cpu,),
}


class OnDevice(torch.Tensor):
    """A tensor that stays on its device until it is moved to the CPU.

    What is computed with one is one; a result in double precision is refused,
    in the words of mps. ``waits`` holds the calls that waited for the device.
    """

    waits = []

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        """The function's result, on the device or moved from it."""
        kwargs = kwargs or {}
        result = super().__torch_function__(function, types, args, kwargs)
        given = [*args[1:], *kwargs.values()]
        moved = function is torch.Tensor.to and isinstance(given[0], str)
        if moved or function in WAITS:
            cls.waits.append(function.__name__)
        if moved or function is torch.Tensor.cpu:
            return result.as_subclass(torch.Tensor)
        if isinstance(result, cls) and result.dtype in DOUBLES:
            raise TypeError("the MPS framework doesn't support float64")
        return result


def on_device(*tensors):
    """The tensors on a device without doubles."""
    OnDevice.waits.clear()
    return [x.as_subclass(OnDevice) for x in tensors]
