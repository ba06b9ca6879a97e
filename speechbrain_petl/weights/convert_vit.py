"""Weights of CED, Dasheng, EAT, SSLAM, BAT and Audio-MAE: names, shapes to ours.

Pure functions from state dict to state dict. Ours are timm's names. What may
be left out is listed; whatever else is unknown keeps its name and fails the
strict load.
"""

import re

import torch
from torch.nn import functional as F

from ..errors import InputError
from ..lobes.vit import EPSILON
from ..lobes.vit_families import FAMILIES
from .convert import check_stated, rename

NAMES = {
    # models of Hugging Face and of fairseq, BAT's pretraining
    r"^(encoder|model|bat|dasheng|student\.encoder)\.": "",
    r"^modality_encoders\.IMAGE\.": "",
    r"^local_encoder\.": "patch_embed.",
    r"^extra_tokens$": "cls_token",
    r"^fixed_positional_encoder\.positions$": "pos_embed",
    r"^(context_encoder\.norm|pre_norm)\.": "norm_pre.",
    r"^init_bn\.1\.": "init_bn.",  # it was inside of a Sequential
}
IGNORED = (  # front ends, heads, and what pretraining had besides
    *("front_end.*", "outputlayer.*", "head.*", "fc_norm.*"),
    *("*decoder*", "mask_token", "recon_proj.*", "cls_proj.*", "center"),
    *("teacher.*", "*.encoder_mask", "*.alibi_scale", "model.head.*"),
    *("model.fc_norm.*", "*num_batches_tracked"),
)
VARIANCE = 1e-5  # epsilon of their BatchNorm


def from_vit(encoder, state, metadata):
    """Names of the originals or of Hugging Face to ours.

    Arguments and what is returned are those of ``from_wav2vec2``; what a file
    of the originals states is its "cfg" or "config".

    Example
    -------
    >>> from speechbrain_petl import ViT
    >>> state = {"encoder.init_bn.weight": torch.ones(64)}
    >>> list(from_vit(ViT((32, 2, 2), "ced"), state, {}))
    ['init_bn.weight']
    """
    kind, heads = encoder.kind, encoder.blocks[0].attn.num_heads
    wanted = {  # what the shapes of the weights do not tell
        "num_heads": heads,
        "num_attention_heads": heads,
        "layer_norm_first": not kind.post_norm,
        "norm_eps": EPSILON,
        "layer_norm_eps": EPSILON,
        "n_mels": kind.mels,
    }
    stated = dict(metadata)
    for name in ("model", "encoder_kwargs"):  # of fairseq, of Dasheng
        inside = metadata.get(name)
        stated |= inside if isinstance(inside, dict) else {}
    check_stated(stated, wanted, "set `encoder_size` to its size")
    finetuned = "fc_norm.weight" in state
    state = rename(state, NAMES, IGNORED)
    if finetuned and not kind.post_norm and "norm.weight" not in state:
        raise InputError(
            "these weights are fine-tuned for classes: they normalise the mean "
            "of all tokens (fc_norm) and have no LayerNorm of each (norm): "
            "take the pretrained ones"
        )
    if "init_bn.running_mean" in state or "init_bn.running_var" in state:
        state = _from_xiaomi(state)
    elif not kind.learned:
        state = _with_class_position(state, encoder)
    _check_family(state, encoder.family)
    last = f"blocks.{len(encoder.blocks) - 1}.norm2."
    if kind.post_norm and "norm.weight" not in state:
        state = rename(state, {f"^{re.escape(last)}": "norm."}, ())
    return _fitted(state, encoder)


def _check_family(state, family):
    """Refuse weights of another family, as their names and patches tell it."""
    patch = state.get("patch_embed.proj.weight")
    if patch is None or "dist_token" in state:  # of an AST
        return
    told = {
        "patch": tuple(patch.shape[2:]),
        "learned": "time_pos_embed" in state,
        "post_norm": "norm_pre.weight" in state,
        "gated": any(".attn.gate." in name for name in state),
    }
    found = [
        name
        for name, kind in FAMILIES.items()
        if told.items() <= vars(kind).items()
    ]
    if found and family not in found:
        raise InputError(
            f"these are weights of {found[0]}, and the encoder is {family}: "
            "set `encoder_size` to a size of theirs; where it is numbers, "
            "`family`, too"
        )


def _from_xiaomi(state):
    """CED and Dasheng list mels before frames, and have a BatchNorm first.

    Its statistics stay those of the pretraining: a scale and a shift.
    """
    parts = ("running_mean", "running_var", "weight", "bias")
    if all(f"init_bn.{part}" in state for part in parts):
        mean, variance, weight, bias = (
            state.pop(f"init_bn.{part}").double() for part in parts
        )
        scale = weight * (variance + VARIANCE).rsqrt()
        state["input_scale"] = scale.float()
        state["input_shift"] = (bias - mean * scale).float()
    for name in ("time_pos_embed", "freq_pos_embed"):
        if name in state and state[name].dim() == 4:
            state[name] = state[name].permute(0, 3, 2, 1)
    name = "patch_embed.proj.weight"
    if name in state and state[name].dim() == 4:
        state[name] = state[name].transpose(2, 3)
    return state


def _with_class_position(state, encoder):
    """A list of positions as a grid; that of the class token is added to it."""
    table, first = state.get("pos_embed"), state.get("cls_token")
    rows = encoder.rows
    if table is None or first is None or table.dim() != 3:
        return state
    if table.shape[1] % rows == 1:
        first = first.float() + table[:, :1].float()  # of files of 16 bits
        state = {**state, "cls_token": first}
        table = table[:, 1:]
    if table.shape[1] % rows:
        return state
    return {**state, "pos_embed": table.unflatten(1, (-1, rows))}


def _fitted(state, encoder):
    """Positions for as many frames as the encoder takes."""
    name = "time_pos_embed" if encoder.kind.learned else "pos_embed"
    own, table = getattr(encoder, name), state.get(name)
    if table is None or table[:, 0].shape != own[:, 0].shape:
        return state
    missing = own.shape[1] - table.shape[1]
    if missing > 0 and encoder.kind.learned:  # in double: see positions.py
        table = F.interpolate(
            table.double().squeeze(2).transpose(1, 2),
            own.shape[1],
            mode="linear",
        )
        table = table.float().transpose(1, 2).unsqueeze(2)
    elif missing > 0:  # sines go on
        table = torch.cat([table.float(), own[:, -missing:].detach()], dim=1)
    return {**state, name: table[:, : own.shape[1]]}
