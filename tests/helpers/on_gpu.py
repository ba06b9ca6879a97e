"""The device of the tests of tests/gpu, and how large they are there.

``GPU_TESTS_DEVICE=cpu`` rehearses them: see tests/gpu/campaign.sh.
"""

import os

import torch

DEVICE = os.environ.get("GPU_TESTS_DEVICE", "cuda")
ON_GPU = DEVICE == "cuda"


def autocast(precision):
    """As a Brain of that precision has it."""
    dtype = {"fp16": torch.float16}.get(precision, torch.bfloat16)
    return torch.autocast(DEVICE, dtype, enabled=precision != "fp32")


def off(a, b):
    """How far a is from b, as a share of b."""
    a, b = a.detach().cpu().double(), b.detach().cpu().double()
    return float((a - b).norm() / b.norm().clamp(min=1e-12))
