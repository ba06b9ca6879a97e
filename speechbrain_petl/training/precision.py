"""Which precision a device computes in, and not only emulates."""

import platform

import torch

from speechbrain.utils.autocast import TorchAutocast
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)


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
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    native = (
        torch.cpu._is_avx512_bf16_supported,
        torch.cpu._is_amx_tile_supported,
    )
    return not any(supported() for supported in native)


def leave_emulated_bf16(brain):
    """Let a Brain compute in fp32 where bf16 would be emulated.

    Where it is not, a CPU's training step is faster without fused attention
    (by a third, two blocks of AST-base): timm's own switch turns it off.

    Arguments
    ---------
    brain : speechbrain.Brain
        A Brain whose ``--precision`` or ``--eval_precision`` may be bf16.
    """
    if brain.device_type != "cpu":
        return
    if not emulates_bf16():
        if brain.precision == "bf16":
            _unfuse_attention(brain.modules)
        return
    fp32 = TorchAutocast(device_type="cpu", dtype=torch.float32)
    if brain.precision == "bf16":
        logger.warning(
            "--precision=bf16: this CPU has no bf16 instructions and would "
            "take several times as long; computing in fp32"
        )
        brain.precision, brain.training_ctx = "fp32", fp32
    if brain.eval_precision == "bf16":
        brain.eval_precision, brain.evaluation_ctx = "fp32", fp32


def _unfuse_attention(modules):
    for module in modules.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
