"""The number of parameters that each method must train on AST-base.

Without the classifier; each method as the papers set it.
"""

from functools import partial

import pytest
import torch
from adapter_methods import (
    BLOCKS,
    FC1,
    FC2,
    FFN,
    LATER_BLOCKS,
    MHSA,
    PROJ,
    QKV,
    beside,
    mixer,
)

from speechbrain_petl.adapted import AdaptedEncoder, count_parameters
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.convolution import Conformer, Convpass
from speechbrain_petl.adapters.dora import DoRA
from speechbrain_petl.adapters.ia3 import IA3
from speechbrain_petl.adapters.lora import LoRA
from speechbrain_petl.adapters.moa import DenseMoA, SoftMoA
from speechbrain_petl.adapters.prefix import Prefix
from speechbrain_petl.adapters.probe import WeightedLayers
from speechbrain_petl.adapters.prompt import Prompt
from speechbrain_petl.adapters.ssf import SSF
from speechbrain_petl.lobes.ast import AST

WIDE = partial(Bottleneck, width=12)
SPEECH = partial(Conformer, width=8, kernel=31)
SOUND = partial(Conformer, width=8, kernel=8)
EXPERT = partial(Bottleneck, width=6)
NORM1, NORM2 = "blocks.*.norm1.*", "blocks.*.norm2.*"
# name -> (wrap, train, trainable parameters on AST-base)
SIZES = {
    "linear": ({}, ["norm.*"], 1_536),
    "bitfit": ({}, ["blocks.*.bias", "norm.bias"], 102_144),
    "lora": (
        {QKV: partial(LoRA, rank=6, parts="qv")},
        ["norm.*"],
        221_184 + 1_536,
    ),
    "bottleneck": (
        {FFN: beside(WIDE)},
        [NORM2, "norm.*"],
        230_544 + 18_432 + 1_536,
    ),
    "bottleneck_houlsby": (
        {f"{FFN}|{MHSA}": beside(WIDE)},
        [NORM1, NORM2, "norm.*"],
        2 * (230_544 + 18_432) + 1_536,
    ),
    "conformer_speech": (
        {FFN: beside(SPEECH)},
        [NORM2, "norm.*"],
        252_288 + 18_432 + 1_536,
    ),
    "conformer_houlsby": (
        {f"{FFN}|{MHSA}": beside(SPEECH)},
        [NORM1, NORM2, "norm.*"],
        2 * (252_288 + 18_432) + 1_536,
    ),
    "conformer_sound": (
        {FFN: beside(SOUND)},
        [NORM2, "norm.*"],
        250_080 + 18_432 + 1_536,
    ),
    "convpass": ({FFN: beside(Convpass)}, [NORM2], 235_872 + 18_432),
    "convpass_grid": (
        {FFN: beside(partial(Convpass, rows=12))},
        [NORM2],
        246_240 + 18_432,
    ),
    "prompt_shallow": (
        {"blocks": partial(Prompt, tokens=300)},
        ["norm.*"],
        230_400 + 1_536,
    ),
    "prompt_deep": (
        {BLOCKS: partial(Prompt, tokens=25)},
        ["norm.*"],
        230_400 + 1_536,
    ),
    "prompt_deep_kept": (
        {
            "blocks": partial(Prompt, tokens=25, keep=True),
            LATER_BLOCKS: partial(Prompt, tokens=25, replace=True),
        },
        ["norm.*"],
        230_400 + 1_536,
    ),
    "prefix": (
        {MHSA: partial(Prefix, tokens=12)},
        ["norm.*"],
        221_184 + 1_536,
    ),
    "dense_moa": (
        {MHSA: beside(partial(DenseMoA, expert=EXPERT, experts=7))},
        [NORM1, "norm.*"],
        903_756 + 18_432 + 1_536,
    ),
    "soft_moa": (
        {MHSA: beside(partial(SoftMoA, expert=EXPERT, experts=7))},
        [NORM1, "norm.*"],
        903_672 + 18_432 + 1_536,
    ),
    "ia3": (
        {QKV: partial(IA3, parts="kv"), FC2: partial(IA3, on="input")},
        [],
        55_296,
    ),
    "ssf": (
        {f"blocks.*.norm?|norm|{QKV}|{PROJ}|{FC1}|{FC2}": SSF},
        [],
        204_288,
    ),
    "dora": ({QKV: partial(DoRA, rank=6, parts="qv")}, [], 221_184 + 18_432),
    "weighted_layers": ({"blocks": WeightedLayers}, ["norm.*"], 12 + 1_536),
    "token_mixer": (
        mixer(width=48, kernel=31),
        [NORM2, "norm.*"],
        92_976 + 18_432 + 1_536,
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_exact_sizes_on_ast_base(name):
    """The number of trainable parameters of each method in the papers."""
    wrap, train, expected = SIZES[name]
    with torch.device("meta"):
        adapted = AdaptedEncoder(AST("base384"), wrap, train)
    trainable, _ = count_parameters(adapted)
    assert trainable == expected


def test_token_mixer_is_small():
    """Less than 0.12 M, everything included."""
    assert SIZES["token_mixer"][2] < 120_000
