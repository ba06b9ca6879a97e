"""The defects of the papers' released code, one by one: see README.md.

Kept apart from the package, which has none of them.
"""

import torch
from speechbrain_petl import Adapter, ConformerConvolution, Convpass, InputError
from speechbrain_petl.errors import check_choice
from torch import nn
from torch.nn import functional as F

DEVIATION = 0.02  # of what transformers draws for every new Linear
DEFECTS = {  # name -> what the released code does
    "none": "as published",
    "positions": "position embeddings are zero",
    "initialisation": "every new Linear is drawn with deviation 0.02",
    "block": "convpass drops its convolution, conformer its LayerNorm",
    "twice": "a mixture beside attention is added twice",
    "last": "the best epoch is the last one",
    "test_fold": "the test fold selects the epoch",
}
LEARNED = ("initialisation",)  # is in what a run has learned


def refuse_unknown(defect):
    """Refuse a defect that is none of DEFECTS."""
    check_choice("defect", defect, DEFECTS)


def spoil(defect, encoder):
    """Give an adapted encoder a defect.

    Arguments
    ---------
    defect : str
        A key of DEFECTS.
    encoder : speechbrain_petl.AdaptedEncoder
        Changed in place.
    """
    changes = {
        "positions": _zero_positions,
        "initialisation": _redraw,
        "block": _drop_a_part,
        "twice": _add_twice,
    }
    if defect in changes and not changes[defect](encoder):
        raise InputError(f"defect={defect}: this method or encoder has none")
    if defect in changes and defect not in LEARNED:
        # no one else builds it: what was learned with it fits nothing else
        encoder.register_buffer(f"defect_{defect}", torch.ones(1))


def choose(defect, datasets):
    """The splits as a defect has them.

    Arguments
    ---------
    defect : str
        A key of DEFECTS.
    datasets : dict
        split -> data set.

    Returns
    -------
    dict
        With the test fold as the validation set, or as they were.
    """
    if defect == "test_fold":
        return {**datasets, "valid": datasets["test"]}
    return datasets


@torch.no_grad()
def _zero_positions(encoder):
    tables = ("pos_embed", "positions")  # of an AST, of a Whisper
    found = [p for n, p in encoder.named_parameters() if n.endswith(tables)]
    for table in found:
        table.zero_()
    return found


@torch.no_grad()
def _redraw(encoder):
    """The new modules alone; what is pretrained is loaded there, too."""
    plain = "pretrained_module"
    found = [
        p
        for name, p in encoder.named_parameters()
        if p.requires_grad
        and plain not in name.split(".")[-2:]
        and any(word in name for word in ("block.", ".up", ".down"))
    ]
    for parameter in found:
        if parameter.dim() > 1:
            parameter.normal_(std=DEVIATION)
    return found


class _PlainConvpass(Convpass):
    def forward(self, x):
        """Act twice, as the released one, which goes on without its result."""
        x = self.activation(self.down(x))
        return self.up(self.dropout(self.activation(x)))


class _PlainConformer(ConformerConvolution):
    def forward(self, x):
        """Of the tokens as they are: its LayerNorm is computed and dropped."""
        x = self.depthwise(F.glu(self.expand(x)))
        return self.project(F.silu(self._normalised(x)))


def _drop_a_part(encoder):
    plain = {Convpass: _PlainConvpass, ConformerConvolution: _PlainConformer}
    found = [m for m in encoder.modules() if type(m) in plain]
    for module in found:
        module.__class__ = plain[type(module)]
    return found


def _add_twice(encoder):
    """Once more at the end of its layer."""
    found = []
    for block in encoder.modules():
        adapter = getattr(block, "attn", None)
        if isinstance(adapter, Adapter) and hasattr(block, "mlp"):
            found.append(_Twice(adapter.block))
            block.register_forward_hook(found[-1].add)
    return found


class _Twice:
    """What a mixture has said last, for the end of the layer."""

    def __init__(self, mixture: nn.Module):
        mixture.register_forward_hook(self.note)

    def note(self, module, inputs, output):
        self.output = output

    def add(self, module, inputs, output):
        return output + self.output
