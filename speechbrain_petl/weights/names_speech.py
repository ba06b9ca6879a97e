"""Other people's names for the tensors of speech encoders, and ours.

Pure functions from state dict to state dict. Ours are torchaudio's, with
keys, queries and values apart in all models. What may be left out is listed;
whatever else is unknown keeps its name and fails the strict load.
"""

import re

from .names import rename

TRANSFORMER = "encoder.transformer."
# weight_norm of PyTorch before 2.0 -> since
WEIGHT_NORM = {
    r"\.weight_g$": ".parametrizations.weight.original0",
    r"\.weight_v$": ".parametrizations.weight.original1",
}
# models for a task and for pretraining hold the encoder under its own name
WAV2VEC2_NAMES = {
    r"^(model|wav2vec2|hubert|wavlm)\.": "",
    r"^feature_projection\.": "encoder.feature_projection.",
    r"^encoder\.(?!transformer|feature_projection)": TRANSFORMER,
    r"\.attention\.attention\.": ".attention.",  # torchaudio's WavLM
    r"layers\.0\.attention\.rel_attn_embed\.": "positions.embedding.",
    **WEIGHT_NORM,
}
# heads of pretraining, of recognition, of classification and of x-vectors
WAV2VEC2_IGNORED = (
    *("masked_spec_embed", "*.masked_spec_embed", "mask_generator.*"),
    *("quantizer.*", "project_q.*", "project_hid.*", "logit_generator.*"),
    *("aux.*", "lm_head.*", "projector.*", "classifier.*", "*.aux.*"),
    *("tdnn.*", "objective.*", "feature_extractor.weight"),
    *("feature_extractor.bias", "layer_weights"),
)
BEATS_NAMES = {
    r"^layer_norm\.": "encoder.feature_projection.layer_norm.",
    r"^post_extract_proj\.": "encoder.feature_projection.projection.",
    r"^encoder\.(?!transformer|feature_projection)": TRANSFORMER,
    r"\.pos_conv\.0\.": ".pos_conv_embed.conv.",
    r"layers\.0\.self_attn\.relative_attention_bias\.": "positions.embedding.",
    r"\.self_attn\.": ".attention.",
    r"\.self_attn_layer_norm\.": ".layer_norm.",
    r"\.fc1\.": ".feed_forward.intermediate_dense.",
    r"\.fc2\.": ".feed_forward.output_dense.",
    r"\.grep_linear\.": ".gru_rel_pos_linear.",
    r"\.grep_a$": ".gru_rel_pos_const",
    **WEIGHT_NORM,
}
# the head, and the first layer's positions once more in every other layer
BEATS_IGNORED = (
    "predictor.*",
    "encoder.layers.[!0].self_attn.relative_attention_bias.*",
    "encoder.layers.??.self_attn.relative_attention_bias.*",
)


def from_wav2vec2(state):
    """Names of torchaudio or of Hugging Face to ours.

    Arguments
    ---------
    state : dict
        State dict of a wav2vec 2.0, HuBERT or WavLM, or of a model around it.

    Returns
    -------
    dict
        State dict with the names of our Wav2Vec2.

    Example
    -------
    >>> import torch
    >>> name = "hubert.encoder.layers.0.attention.q_proj.bias"
    >>> list(from_wav2vec2({name: torch.zeros(32)}))
    ['encoder.transformer.layers.0.attention.q_proj.bias']
    """
    state = rename(state, WAV2VEC2_NAMES, WAV2VEC2_IGNORED)
    for name in [n for n in state if ".in_proj_" in n]:
        thirds = state.pop(name).chunk(3)
        for part, tensor in zip("qkv", thirds):
            state[re.sub(r"\.in_proj_", f".{part}_proj.", name)] = tensor
    return state


def from_beats(state):
    """Names of the original BEATs, which are SpeechBrain's, to ours.

    Arguments
    ---------
    state : dict
        State dict of a BEATs.

    Returns
    -------
    dict
        State dict with the names of our BEATs.

    Example
    -------
    >>> import torch
    >>> list(from_beats({"encoder.layers.0.fc1.bias": torch.zeros(64)}))
    ['encoder.transformer.layers.0.feed_forward.intermediate_dense.bias']
    """
    return rename(state, BEATS_NAMES, BEATS_IGNORED)
