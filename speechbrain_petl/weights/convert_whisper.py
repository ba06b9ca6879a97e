"""Weights of Whisper from other people: their names to ours.

Ours are timm's, with queries, keys and values fused. What may be left out is
listed; whatever else is unknown keeps its name and fails the strict load.
"""

from .convert import check_stated, fuse_qkv, rename

ENCODER = r"^(model\.)?encoder\."
HUGGINGFACE_NAMES = {
    ENCODER: "",
    r"^embed_positions\.weight$": "positions",
    r"^layers\.": "blocks.",
    r"\.self_attn\.([qkv])_proj\.": r".attn.\1.",
    r"\.self_attn\.out_proj\.": ".attn.proj.",
    r"\.self_attn_layer_norm\.": ".norm1.",
    r"\.final_layer_norm\.": ".norm2.",
    r"(\d)\.(fc[12])\.": r"\1.mlp.\2.",
    r"^layer_norm\.": "norm.",
}
OPENAI_NAMES = {
    ENCODER: "",
    r"^positional_embedding$": "positions",
    r"\.attn\.(q)uery\.|\.attn\.(k)ey\.|\.attn\.(v)alue\.": r".attn.\1\2\3.",
    r"\.attn\.out\.": ".attn.proj.",
    r"\.attn_ln\.": ".norm1.",
    r"\.mlp_ln\.": ".norm2.",
    r"\.mlp\.0\.": ".mlp.fc1.",
    r"\.mlp\.2\.": ".mlp.fc2.",
    r"^ln_post\.": "norm.",
}
DECODER = {  # what the encoder's names do not say; the first to be renamed
    r"^(model\.)?decoder\.": "",
    r"^(embed_tokens|token_embedding)\.": "embedding.",
    r"\.(encoder_attn|cross_attn)_(layer_norm|ln)\.": ".norm_cross.",
    r"\.(encoder_attn|cross_attn)\.(out_proj|out)\.": ".cross.proj.",
    r"\.(encoder_attn|cross_attn)\.([qkv])\w*\.": r".cross.\2.",
    r"^ln\.": "norm.",
}
IGNORED = (  # the decoder, and the heads of recognition and classification
    *("decoder.*", "model.decoder.*", "proj_out.*"),
    *("projector.*", "classifier.*", "layer_weights"),
)
NOT_DECODER = ("encoder.*", "model.encoder.*", "proj_out.*")
# what config.json states -> the only value that is computed here
STATED = {"activation_function": "gelu", "scale_embedding": False}


def from_whisper(encoder, state, metadata):
    """Names of Hugging Face, of OpenAI or ours to ours.

    Arguments and what is returned are those of ``from_wav2vec2``; OpenAI's
    files state their "dims".

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import Whisper
    >>> state = {"encoder.layer_norm.bias": torch.zeros(32)}
    >>> list(from_whisper(Whisper((32, 2, 2)), state, {}))
    ['norm.bias']
    """
    mels = dict.fromkeys(("num_mel_bins", "n_mels"), encoder.conv1.in_channels)
    renamed = _renamed(encoder, state, metadata, {}, IGNORED)
    check_stated(metadata, mels, "set `mels` to its number")
    return renamed


def from_whisper_decoder(decoder, state, metadata):
    """The same of its decoder.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import WhisperDecoder
    >>> state = {"decoder.layers.0.encoder_attn.q_proj.bias": torch.zeros(32)}
    >>> list(from_whisper_decoder(WhisperDecoder((32, 2, 2), 9), state, {}))
    ['blocks.0.cross.q.bias']
    """
    own = decoder.embedding.num_embeddings
    renamed = _renamed(decoder, state, metadata, DECODER, NOT_DECODER)
    symbols = dict.fromkeys(("vocab_size", "n_vocab"), own)
    check_stated(metadata, symbols, "set `tokens` to its number")
    return renamed


def _renamed(module, state, metadata, names, ignored):
    heads = module.blocks[0].attn.num_heads
    stated = "encoder_attention_heads", "n_audio_head"  # as many as here
    wanted = {**STATED, **dict.fromkeys(stated, heads)}
    check_stated(metadata, wanted, "set `encoder_size` to its size")
    openai = any(".attn_ln." in name for name in state)
    others = OPENAI_NAMES if openai else HUGGINGFACE_NAMES
    return fuse_qkv(rename(state, {**names, **others}, ignored))
