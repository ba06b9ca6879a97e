"""Weights of an AST from other people: their names and shapes to ours.

Pure functions from state dict to state dict. Ours are timm's names. What may
be left out is listed; whatever else is unknown keeps its name and fails the
strict load.
"""

import re

from ..lobes.ast import PATCH
from .convert import fuse_qkv, rename
from .prefixes import without_prefix

CONV = "patch_embed.proj.weight"
COLOURS = 3  # channels of a network for images
PREFIX = "audio_spectrogram_transformer."  # of Hugging Face's classifier
# pattern -> name; Hugging Face's files have the names of transformers 4,
# its models in memory those of 5
HUGGINGFACE_NAMES = {
    rf"^{re.escape(PREFIX)}": "",
    r"^embeddings\.cls_token$": "cls_token",
    r"^embeddings\.distillation_token$": "dist_token",
    r"^embeddings\.position_embeddings$": "pos_embed",
    r"^embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
    r"^(encoder\.layer|layers)\.(\d+)\.": r"blocks.\2.",
    r"\.attention\.(attention\.query|q_proj)\.": ".attn.q.",
    r"\.attention\.(attention\.key|k_proj)\.": ".attn.k.",
    r"\.attention\.(attention\.value|v_proj)\.": ".attn.v.",
    r"\.attention\.(output\.dense|o_proj)\.": ".attn.proj.",
    r"\.layernorm_before\.": ".norm1.",
    r"\.layernorm_after\.": ".norm2.",
    r"\.intermediate\.dense\.": ".mlp.fc1.",
    r"\.output\.dense\.": ".mlp.fc2.",
    r"^layernorm\.": "norm.",
}
OFFICIAL_NAMES = {r"^(module\.)?v\.": ""}  # DataParallel adds module.
# the heads of the tasks that the weights were trained for
HUGGINGFACE_IGNORED = ("classifier.*",)
OFFICIAL_IGNORED = (
    *("module.mlp_head.*", "module.v.head.*", "module.v.head_dist.*"),
    *("mlp_head.*", "v.head.*", "v.head_dist.*"),
)
TIMM_IGNORED = ("head.*", "head_dist.*")
# a tensor of each kind, by its own name
HUGGINGFACE_CONV = "embeddings.patch_embeddings.projection.weight"
ANCHORS = (HUGGINGFACE_CONV, f"v.{CONV}", CONV)
# a head: LayerNorm and Linear, as ours has them
HEADS = {
    r"^mlp_head\.": "",
    r"^classifier\.layernorm\.": "0.",
    r"^classifier\.dense\.": "1.",
}
# of the pretraining of SSAST, https://arxiv.org/abs/2110.09784
SSAST_IGNORED = ("mask_embed", "cpredlayer.*", "gpredlayer.*", "p_input_?dim")
# a tensor of what is no AST but is taken for one -> what it is
STRANGERS = {
    "time_new_pos_embed": (
        "PaSST, or a MAEST of its authors: positions of time and of mels apart, "
        "and another front end"
    ),
    "v.patch_embed.proj.weight": (
        "an SSAST of frames, whose patches span all mels: take one of patches, "
        "SSAST-Base-Patch for example"
    ),
    "lora_A.weight": "an adapter of PEFT: merge it into its model",
}


def kind_of(state):
    """The key of CONVERTERS for a state dict; None for that of something else.

    Example
    -------
    >>> import torch
    >>> kind_of({"patch_embed.proj.weight": torch.ones(32, 3, 16, 16)})
    'timm'
    """
    if HUGGINGFACE_CONV in state or PREFIX + HUGGINGFACE_CONV in state:
        return "huggingface"
    if f"v.{CONV}" in state or f"module.v.{CONV}" in state:
        return "official"
    if CONV not in state:
        return None
    return "timm" if state[CONV].shape[1:2] == (COLOURS,) else "ours"


def own_names(state):
    """A state dict without what was put around its names, and its kind.

    Arguments
    ---------
    state : dict
        Name -> tensor.

    Returns
    -------
    tuple
        The key of CONVERTERS, None for something else; the state dict.

    Example
    -------
    >>> import torch
    >>> own_names({"model.patch_embed.proj.weight": torch.ones(8, 3, 16, 16)})[
    ...     0
    ... ]
    'timm'
    """
    state = without_prefix(state, ANCHORS, PREFIX)
    convs = (x for name, x in state.items() if name.endswith(ANCHORS))
    if any(x.shape[2:] != (PATCH, PATCH) for x in convs):
        return None, state
    return kind_of(state), rename(state, {}, SSAST_IGNORED)


def known_by(state):
    """What a state dict is that is no AST's, if it is known; or "".

    Example
    -------
    >>> known_by({"net.time_new_pos_embed": 0})[:5]
    'PaSST'
    """
    for tensor, what in STRANGERS.items():
        if any(name.endswith(tensor) for name in state):
            return what
    return ""


def head_of(state):
    """The state of a ``NormLinear``: the head that a checkpoint was trained with.

    Arguments
    ---------
    state : dict
        As ``own_names`` returns it.

    Returns
    -------
    dict
        {} if it has none, or none that is a LayerNorm and a Linear.

    Example
    -------
    >>> list(head_of({"mlp_head.1.bias": 0, "v.norm.bias": 0}))
    ['1.bias']
    """
    heads = {k: v for k, v in state.items() if re.match("|".join(HEADS), k)}
    return rename(heads, HEADS, ())


def _from_huggingface(state):
    """Names of transformers 4 or 5 to ours, query, key and value fused."""
    return fuse_qkv(rename(state, HUGGINGFACE_NAMES, HUGGINGFACE_IGNORED))


def _from_official(state):
    """Names of the original AST to ours."""
    return rename(state, OFFICIAL_NAMES, OFFICIAL_IGNORED)


def _from_timm(state):
    """A distilled DeiT of timm to ours: its colours summed to one channel."""
    state = rename(state, {}, TIMM_IGNORED)
    return {**state, CONV: state[CONV].float().sum(dim=1, keepdim=True)}


CONVERTERS = {
    "huggingface": _from_huggingface,
    "official": _from_official,
    "timm": _from_timm,
    "ours": dict,
}
