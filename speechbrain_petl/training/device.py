"""The machine that a run was on, as its result tells of it."""

import platform
import sys

import torch


def device_name(device):
    """What a device is called.

    Arguments
    ---------
    device : str
        Such as "cuda:0".

    Returns
    -------
    str
        The name of the GPU, or the CPU's kind and the threads in use.
    """
    if "cuda" in str(device):
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def peak_memory(device):
    """The most memory that this process has held so far.

    Arguments
    ---------
    device : str
        A GPU: what tensors took there; otherwise all that the process took.

    Returns
    -------
    float
        In MiB; None where the system does not tell, as on Windows.

    Example
    -------
    >>> peak_memory("cpu") > 50 or sys.platform == "win32"
    True
    """
    if "cuda" in str(device):
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, else KiB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return round(peak / 2**20, 1)
