"""Which precision a device computes in, and not only emulates."""

import platform

import torch

from speechbrain.utils.distributed import infer_device
from speechbrain.utils.logger import get_logger

from ..compat import cpu_has_bf16

logger = get_logger(__name__)

HALF = (7, 0)  # compute capability from which on fp16 is faster than fp32


def precisions_of(device):
    """What a run computes in that asks for nothing.

    A GPU that has bf16 trains and tests in it. An older one trains in fp16,
    whose overflows the gradient scaler notices, and tests in fp32, where
    nobody would.

    Arguments
    ---------
    device : str
        Such as "cuda:0".

    Returns
    -------
    dict
        ``precision`` and ``eval_precision``.

    Example
    -------
    >>> precisions_of("cpu")
    {'precision': 'fp32', 'eval_precision': 'fp32'}
    """
    precision = eval_precision = "fp32"
    if device.startswith("cuda"):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            precision = eval_precision = "bf16"
        elif torch.cuda.get_device_capability(device) >= HALF:
            precision = "fp16"
    return {"precision": precision, "eval_precision": eval_precision}


def emulates_bf16():
    """Whether this CPU has no instructions for bf16.

    Products in bf16 are then several times slower than in fp32.

    Returns
    -------
    bool
        True for x86 without AVX512-BF16 and AMX.

    Example
    -------
    >>> emulates_bf16() in (True, False)
    True
    """
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return x86 and not cpu_has_bf16()


def without_emulated_bf16(options):
    """Run options that compute in fp32 where bf16 would be emulated.

    Arguments
    ---------
    options : dict
        SpeechBrain's run options, such as ``device``, ``precision`` and
        ``eval_precision``.

    Returns
    -------
    dict
        The same, or a changed copy.

    Example
    -------
    >>> options = {"device": "cuda:0", "precision": "bf16"}
    >>> without_emulated_bf16(options) == options
    True
    """
    device = options.get("device") or infer_device()
    asked = [
        name
        for name in ("precision", "eval_precision")
        if options.get(name) == "bf16"
    ]
    if device != "cpu" or not asked or not emulates_bf16():
        return options
    logger.warning(
        f"--{asked[0]}=bf16: this CPU has no bf16 instructions and would "
        "take several times as long; computing in fp32"
    )
    return {**options, **dict.fromkeys(asked, "fp32")}


def unfuse_attention(modules):
    """Turn off fused attention, by timm's own switch.

    A training step in bf16 is faster without, on a CPU that has it (by a
    third, two blocks of AST-base).

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        Those of a Brain.

    Example
    -------
    >>> from timm.layers import Attention
    >>> from torch import nn
    >>> modules = nn.ModuleDict({"attention": Attention(32, num_heads=2)})
    >>> unfuse_attention(modules)
    >>> modules.attention.fused_attn
    False
    """
    for module in modules.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
