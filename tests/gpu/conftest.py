"""What is in this folder needs a GPU, and is skipped where there is none."""

import pytest
import torch
from on_gpu import DEVICE


def pytest_collection_modifyitems(items):
    """Unless it is rehearsed on a CPU."""
    if DEVICE == "cuda" and not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no GPU"))


@pytest.fixture(autouse=True)
def exact_products():
    """fp32 is fp32 here, and no TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)
