"""The number of parameters that each method must train on AST-base.

Without the classifier; each method as the papers set it.
"""

from functools import partial

import pytest
import torch
from adapter_methods import FFN, LATER_BLOCKS, MHSA, beside
from method_files import ROOT, petl_of, pooling_of
from method_sizes import EXPECTED, PROMPT, SPEECH
from speechbrain_petl.adapters.adapted import AdaptedEncoder, count_parameters
from speechbrain_petl.adapters.convolution import ConformerConvolution, Convpass
from speechbrain_petl.adapters.prompt import Prompt
from speechbrain_petl.lobes.ast import AST

HPARAMS = ROOT / "recipes" / "ESC50" / "hparams"
# what no method file of ESC-50 writes: (wrap, trainable parameters)
OTHERS = {
    "conformer of speech": (
        {FFN: beside(partial(ConformerConvolution, width=8, kernel=31))},
        SPEECH,
    ),
    "both conformers of speech": (
        {
            f"{FFN}|{MHSA}": beside(
                partial(ConformerConvolution, width=8, kernel=31)
            )
        },
        2 * SPEECH,
    ),
    "convpass on the grid": (
        {FFN: beside(partial(Convpass, rows=12))},
        246_240,
    ),
    "deep prompt that is kept": (
        {
            "blocks": partial(Prompt, tokens=25, keep=True),
            LATER_BLOCKS: partial(Prompt, tokens=25, replace=True),
        },
        PROMPT,
    ),
}


def trained_on_ast_base(petl, path=None):
    """Trainable parameters, without the memory."""
    with torch.device("meta"):
        encoder = AST("base384")
        pooling = path and pooling_of(path, encoder)
        adapted = AdaptedEncoder(encoder, **petl)
    both = torch.nn.ModuleList([adapted, pooling or torch.nn.Identity()])
    return count_parameters(both)[0]


@pytest.mark.parametrize("name", EXPECTED)
def test_method_files(name):
    """As the design's table says."""
    path = (HPARAMS / f"{name}.yaml").relative_to(ROOT)
    assert trained_on_ast_base(petl_of(path), path) == EXPECTED[name]


@pytest.mark.parametrize("name", OTHERS)
def test_others(name):
    """What can be written besides."""
    wrap, expected = OTHERS[name]
    assert trained_on_ast_base({"wrap": wrap}) == expected


def test_token_mixer_is_small():
    """Less than 0.12 M, everything included."""
    assert EXPECTED["token_mixer"] < 120_000


def test_mambadapter_has_the_size_of_its_paper():
    """0.11 M as Houlsby (and 0.28 M as Pfeiffer, were nothing shared)."""
    assert EXPECTED["mambadapter_houlsby"] == 111_204
    shared, sites = 19_212, 12
    alone = EXPECTED["mambadapter"] + (sites - 1) * shared - sites
    assert round(alone / 1e6, 2) == 0.28
