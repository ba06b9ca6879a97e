"""All private names of other libraries, each with the version it was seen in.

A name that is public by now is used where it is there. ``tests/test_compat.py``
has a test for each.
"""

import torch


def cpu_has_bf16():
    """Whether this x86 CPU multiplies numbers of 16 bits by itself.

    ``torch.cpu.get_capabilities`` (torch 2.14) says so; older versions have
    ``torch.cpu._is_avx512_bf16_supported`` and ``_is_amx_tile_supported``
    (torch 2.8).

    Returns
    -------
    bool
        True with AVX512-BF16 or AMX.

    Example
    -------
    >>> cpu_has_bf16() in (True, False)
    True
    """
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(
            capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
        )
    return (
        torch.cpu._is_avx512_bf16_supported()
        or torch.cpu._is_amx_tile_supported()
    )
