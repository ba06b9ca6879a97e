"""Weights of speech encoders from other people: their names and shapes to ours.

Pure functions from state dict to state dict. Ours are torchaudio's, with
keys, queries and values apart in all models. What may be left out is listed;
whatever else is unknown keeps its name and fails the strict load.
"""

import re

import torch

from ..lobes.wav2vec2 import CONVOLUTIONS, WAVLM
from .convert import check_stated, rename

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
# what stands for masked tokens, in Hugging Face's and in torchaudio's
MASKED = ("masked_spec_embed", "mask_generator.mask_embedding")
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


# what a BEATs may state otherwise without computing something else
BEATS_FREE = ("dropout", "layerdrop", "predictor", "finetuned", "decay")


def from_wav2vec2(encoder, state, metadata):
    """Names of torchaudio or of Hugging Face to ours.

    Arguments
    ---------
    encoder : Wav2Vec2
        The encoder that will take them.
    state : dict
        State dict of a wav2vec 2.0, HuBERT or WavLM, or of a model around it.
    metadata : dict
        What Hugging Face's config.json states.

    Returns
    -------
    dict
        State dict with the names of the encoder.

    Example
    -------
    >>> from speechbrain_petl import Wav2Vec2
    >>> name = "hubert.encoder.layers.0.attention.q_proj.bias"
    >>> state = {name: torch.zeros(32)}
    >>> list(from_wav2vec2(Wav2Vec2((32, 1, 2)), state, {}))
    ['encoder.transformer.layers.0.attention.q_proj.bias']
    """
    transformer = encoder.encoder.transformer
    own = {  # what the shapes of the weights do not tell
        "num_attention_heads": transformer.layers[0].attention.num_heads,
        "do_stable_layer_norm": not transformer.layer_norm_first,
        "conv_stride": [step for _, _, step in CONVOLUTIONS],
        "hidden_act": "gelu",
        "feat_extract_activation": "gelu",
        "max_bucket_distance": WAVLM["distance"],
    }
    check_stated(metadata, own, "set `encoder_size` to its size")
    masked = [x for name, x in state.items() if name.endswith(MASKED)]
    state = rename(state, WAV2VEC2_NAMES, WAV2VEC2_IGNORED)
    if encoder.time_masking is not None:
        new = encoder.time_masking.embedding.detach()
        state["time_masking.embedding"] = masked[0] if masked else new
    for name in [n for n in state if ".in_proj_" in n]:
        thirds = state.pop(name).chunk(3)
        for part, tensor in zip("qkv", thirds):
            state[re.sub(r"\.in_proj_", f".{part}_proj.", name)] = tensor
    # Hugging Face's HuBERT large has biases where torchaudio's has none
    for name, own in encoder.feature_extractor.state_dict().items():
        name = f"feature_extractor.{name}"
        if name.endswith(".conv.bias") and name not in state:
            state[name] = torch.zeros_like(own)
    return state


def from_beats(encoder, state, metadata):
    """Names of the original BEATs, which are SpeechBrain's, to ours.

    Arguments and what is returned are those of ``from_wav2vec2``; what a file
    states is its configuration.

    Example
    -------
    >>> from speechbrain_petl import BEATs
    >>> state = {"encoder.layers.0.fc1.bias": torch.zeros(64)}
    >>> list(from_beats(BEATs((32, 1, 2)), state, {}))
    ['encoder.transformer.layers.0.feed_forward.intermediate_dense.bias']
    """
    own = {
        key: value
        for key, value in vars(encoder.config).items()
        if not any(word in key for word in BEATS_FREE)
    }
    remedy = (
        "name those of BEATs_iter3 or BEATs_iter3_plus, or give the right "
        "encoder_size"
    )
    check_stated(metadata, own, remedy)
    return rename(state, BEATS_NAMES, BEATS_IGNORED)
