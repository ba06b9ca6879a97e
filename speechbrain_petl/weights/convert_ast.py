"""Weights of an AST from other people: their names and shapes to ours.

Pure functions from state dict to state dict. Ours are timm's names. What may
be left out is listed; whatever else is unknown keeps its name and fails the
strict load.
"""

import re

from .convert import fuse_qkv, rename

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


def kind_of(state):
    """The key of CONVERTERS for a state dict; None for that of something else.

    Example
    -------
    >>> import torch
    >>> kind_of({"patch_embed.proj.weight": torch.ones(32, 3, 16, 16)})
    'timm'
    """
    conv = "embeddings.patch_embeddings.projection.weight"
    if conv in state or PREFIX + conv in state:
        return "huggingface"
    if f"v.{CONV}" in state or f"module.v.{CONV}" in state:
        return "official"
    if CONV not in state:
        return None
    return "timm" if state[CONV].shape[1:2] == (COLOURS,) else "ours"


def _from_huggingface(state):
    """Names of transformers 4 or 5 to ours, query, key and value fused."""
    return fuse_qkv(rename(state, HUGGINGFACE_NAMES, HUGGINGFACE_IGNORED))


def _from_official(state):
    """Names of the original AST, with or without DataParallel's, to ours."""
    return rename(state, OFFICIAL_NAMES, OFFICIAL_IGNORED)


def _from_timm(state):
    """A distilled DeiT of timm to ours: its colours summed to one channel."""
    state = rename(state, {}, TIMM_IGNORED)
    return {**state, CONV: state[CONV].sum(dim=1, keepdim=True)}


CONVERTERS = {
    "huggingface": _from_huggingface,
    "official": _from_official,
    "timm": _from_timm,
    "ours": dict,
}
