"""What the contract of the adapters is tried on.

Every method file of the repository, and what no file writes: other options,
other places.
"""

from dataclasses import dataclass, field
from functools import partial

import torch
from method_files import MOVED_AT_START, distinct_methods, petl_of
from speechbrain_petl.adapters.adapted import AdaptedEncoder
from speechbrain_petl.adapters.adapter import Adapter
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.convolution import ConformerConvolution, Convpass
from speechbrain_petl.adapters.dora import DoRA
from speechbrain_petl.adapters.lora import LoRA
from speechbrain_petl.adapters.moa import DenseMoA, SoftMoA
from speechbrain_petl.adapters.peft_bridge import PEFT
from speechbrain_petl.adapters.prompt import Prompt
from speechbrain_petl.lobes.ast import AST

BLOCKS = "blocks.?|blocks.??"
LATER_BLOCKS = "blocks.[!0]|blocks.??"
FFN, MHSA = "blocks.*.mlp", "blocks.*.attn"
QKV, PROJ = "blocks.*.attn.qkv", "blocks.*.attn.proj"
FC1, FC2 = "blocks.*.mlp.fc1", "blocks.*.mlp.fc2"


@dataclass
class Method:
    """What the yaml file of a method would say."""

    wrap: dict
    train: list = field(default_factory=lambda: ["norm.*"])
    identity: bool = True  # the pretrained function at the start

    def adapt(self, encoder):
        """Apply the method to an encoder."""
        return AdaptedEncoder(encoder, self.wrap_of(), self.train)

    def wrap_of(self):
        """The mapping, with fresh shared blocks."""
        return self.wrap() if callable(self.wrap) else self.wrap


def of_file(path, encoder=None):
    """The method that a method file describes."""
    name = path.stem
    return Method(
        lambda: petl_of(path, encoder)["wrap"],
        petl_of(path, encoder)["train"],
        identity=name not in MOVED_AT_START,
    )


def beside(block, **options):
    """A parallel adapter with this block."""
    return partial(Adapter, block=block, **options)


SMALL = partial(Bottleneck, width=4)
CONVOLVED = partial(ConformerConvolution, width=4, kernel=5)

VARIANTS = {
    "lora_everywhere": Method(
        {
            QKV: partial(LoRA, rank=2, parts="qkv", dropout=0.1),
            f"{PROJ}|{FC1}|{FC2}": partial(LoRA, rank=2, rslora=True),
        }
    ),
    "lora_of_q": Method({QKV: partial(LoRA, rank=2, parts="q")}),
    "dora_whole": Method({PROJ: partial(DoRA, rank=2)}),
    "learned_scale": Method({FFN: beside(SMALL, learn_scale=True)}),
    "around_block": Method({BLOCKS: beside(SMALL)}),
    "before": Method({MHSA: beside(SMALL, where="before")}),
    "after": Method({MHSA: beside(SMALL, where="after")}),
    "parallel_residual": Method(
        {FFN: beside(SMALL, residual=True)}, identity=False
    ),
    "before_bare": Method(
        {FFN: beside(SMALL, where="before", residual=False)}, identity=False
    ),
    "after_bare": Method(
        {FFN: beside(SMALL, where="after", residual=False)}, identity=False
    ),
    "convpass_grid": Method({FFN: beside(partial(Convpass, width=4, rows=12))}),
    "dense_moa_of_conformers": Method(
        {MHSA: beside(partial(DenseMoA, expert=CONVOLVED, experts=2))}
    ),
    "soft_moa_normalised": Method(
        {
            FFN: beside(
                partial(SoftMoA, expert=SMALL, experts=15, normalise=True)
            )
        }
    ),
    "soft_moa_of_conformers": Method(
        {MHSA: beside(partial(SoftMoA, expert=CONVOLVED, experts=2, slots=4))}
    ),
    "prompt_dropped_out": Method(
        {"blocks": partial(Prompt, tokens=3, dropout=0.1)}, identity=False
    ),
    "prompt_deep_kept": Method(
        {
            "blocks": partial(Prompt, tokens=3, keep=True),
            LATER_BLOCKS: partial(Prompt, tokens=3, replace=True),
        },
        identity=False,
    ),
    "oft_inside": Method(
        {FFN: partial(PEFT, tuner="OFT", oft_block_size=8, targets=["fc1"])}
    ),
}
METHODS = {
    **{name: of_file(path) for name, path in distinct_methods().items()},
    **VARIANTS,
}


def tiny_ast(seed=0, **options):
    """An AST of two blocks, of width 32, on 64 frames."""
    torch.manual_seed(seed)
    return AST((32, 2, 2), frames=64, **options)


def spectrograms(batch=3, seed=0):
    """What a tiny AST takes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 64, 128, generator=generator)
