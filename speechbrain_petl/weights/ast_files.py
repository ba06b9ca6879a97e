"""A checkpoint of an AST, whoever wrote it: encoder, head, input and classes.

Published ones come from https://github.com/YuanGongND/ast and, converted, from
https://huggingface.co/MIT.
"""

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..lobes.ast import EPSILON, SIZES
from ..lobes.sizes import CLASS_TOKENS
from .checking import check_fit, few
from .convert import check_stated
from .convert_ast import CONVERTERS, head_of, known_by, own_names
from .files import ACCEPTED
from .fitting import AUDIOSET_AXES, STATED, axes_stated, fit_positions, pick
from .positions import Axis, axes_of, resize_positions
from .sources import read_config, read_state

# what config.json states -> the only value that is computed here
EPS = "layer_norm_eps"
HEADS = "num_attention_heads", "heads"
NUMBERS = *STATED["huggingface"], *STATED["ours"], *HEADS, EPS
COMPUTED = {"hidden_act": "gelu", "qkv_bias": True, "patch_size": 16}


@dataclass
class ASTFile:
    """What a checkpoint of an AST holds, with our names.

    Arguments
    ---------
    file : pathlib.Path
        Where it was read.
    kind : str
        A key of ``convert_ast.CONVERTERS``.
    state : dict
        Of the encoder.
    head : dict
        State of a ``NormLinear``; {} without one.
    stated : dict
        What is stated beside the weights.
    """

    file: Path
    kind: str
    state: dict
    head: dict
    stated: dict

    @property
    def patches(self):
        """How many it has positions for."""
        return self.state["pos_embed"].shape[1] - CLASS_TOKENS

    @property
    def heads(self):
        """Of the attention: as stated, or as DeiT has it, one in 64."""
        dim = self.state["pos_embed"].shape[2]
        usual = {d: heads for d, _, heads in SIZES.values()}
        stated = next((self.stated[k] for k in HEADS if k in self.stated), None)
        return int(stated or usual.get(dim) or max(dim // 64, 1))

    @property
    def labels(self):
        """What is stated to be the names of the head's outputs; or []."""
        names = self.stated.get("id2label")
        keys = [str(i) for i in range(len(self.head.get("1.bias", ())))]
        if not isinstance(names, dict) or set(names) != set(keys):
            return []
        return [str(names[key]) for key in keys]

    @property
    def axes(self):
        """The mel axis and the frame axis that it was trained with."""
        stated = axes_stated(self.kind, self.stated)
        return pick(stated or AUDIOSET_AXES, self.patches, self.file)

    def for_encoder(self, encoder):
        """The state for an AST, of any input length and strides."""
        check_fit(self.state, encoder, self.file)
        self._check_function(encoder)
        if encoder.source_input:
            return self._from(encoder.source_input, encoder)
        read = self.kind, self.stated, self.file
        return fit_positions(encoder, self.state, *read)

    def _from(self, source_input, encoder):
        """The state, of an input that the encoder is told of."""
        (mels, _), _ = wanted = axes_of(encoder)
        frames, fstride, tstride = source_input
        given = Axis(mels, fstride), Axis(frames, tstride)
        old = pick([given], self.patches, self.file)
        table = resize_positions(self.state["pos_embed"], old, wanted)
        return {**self.state, "pos_embed": table}

    def _check_function(self, encoder):
        """Refuse what computes something else with the same shapes."""
        heads = encoder.blocks[0].attn.num_heads
        remedy = "set `ast_size` to [dim, depth, heads] of the checkpoint"
        wanted = dict(zip(HEADS, (heads, str(heads))))
        check_stated(self.stated, wanted, remedy, self.file)
        if EPS in self.stated:
            # a smaller one changes nothing in a trained model
            own, stated = encoder.norm.eps, float(self.stated[EPS])
            same = max(own, EPSILON) == max(stated, EPSILON)
            remedy = f"set the encoder's `epsilon: {stated}`"
            wanted = {EPS: stated if same else own}
            check_stated({EPS: stated}, wanted, remedy, self.file)


def read_ast(source, revision=None):
    """Read a checkpoint of an AST.

    Arguments
    ---------
    source : str or os.PathLike
        As for ``loading.load_pretrained``.
    revision : str or None
        Branch, tag or commit of a repository.

    Returns
    -------
    ASTFile
        What it holds.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import AST
    >>> path = getfixture("tmp_path") / "ast.pt"
    >>> torch.save(AST((32, 2, 2)).state_dict(), path)
    >>> checkpoint = read_ast(path)
    >>> checkpoint.kind, checkpoint.patches
    ('ours', 1212)
    """
    file, state, metadata = read_state(source, revision)
    try:
        kind, state = own_names(state)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    if kind is None:
        what = known_by(state)
        raise InputError(
            f"{file} holds no weights of an AST: "
            + (f"it is {what}" if what else f"it has {few(state)}. {ACCEPTED}")
        )
    stated = metadata if kind == "ours" else read_config(file)
    _check_numbers(stated, file)
    check_stated(stated, COMPUTED, "take another checkpoint", file)
    if "---" in str(stated.get("id2label")):
        raise InputError(
            f"{file} is MAEST, whose classes are Discogs' genres: an AST with "
            "a front end of its own (Essentia's 96 bands every 16 ms, of the "
            "logarithm of 1 + 10,000 x), which is not here"
        )
    return ASTFile(file, kind, CONVERTERS[kind](state), head_of(state), stated)


def _check_numbers(stated, file):
    """Refuse what is stated as a number and is none above 0."""
    for key in NUMBERS:
        number = float if key == EPS else int
        try:
            good = key not in stated or number(stated[key]) > 0
        except (TypeError, ValueError):
            good = False
        if not good:
            raise InputError(
                f"{file}: {key}={stated[key]!r}, as is stated beside it, is no "
                "number above 0: fetch its config.json again"
            )
