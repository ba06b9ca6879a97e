"""Tiny encoders of other libraries, and the wrappers that must fit them."""

from functools import partial

import timm
import torch
import torchaudio
import transformers
from speechbrain_petl.adapters.adapter import Adapter
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.convolution import ConformerConvolution
from speechbrain_petl.adapters.dora import DoRA
from speechbrain_petl.adapters.ia3 import IA3
from speechbrain_petl.adapters.lora import LoRA
from speechbrain_petl.adapters.moa import SoftMoA
from speechbrain_petl.adapters.prefix import Prefix
from speechbrain_petl.adapters.prompt import Prompt
from speechbrain_petl.adapters.ssf import SSF

SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


def timm_vit():
    """timm's vit_tiny_patch16_224, two blocks of it."""
    model = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, depth=2, num_classes=0
    )
    return model, torch.randn(2, 3, 224, 224)


def torchaudio_wav2vec2():
    """torchaudio's wav2vec 2.0, made tiny."""
    model = torchaudio.models.wav2vec2_model(
        extractor_mode="layer_norm",
        extractor_conv_layer_config=[(16, 10, 5), (16, 8, 4)],
        extractor_conv_bias=True,
        encoder_embed_dim=32,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=2,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=64,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=True,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    )
    return model, torch.randn(2, 800)


def transformers_ast():
    """transformers' AST, with the attention that returns its weights."""
    config = transformers.ASTConfig(
        **SIZE, max_length=64, attn_implementation="eager"
    )
    return transformers.ASTModel(config), torch.randn(2, 64, 128)


def transformers_wav2vec2():
    """transformers' wav2vec 2.0, made tiny."""
    config = transformers.Wav2Vec2Config(
        **SIZE,
        conv_dim=(16, 16),
        feat_extract_norm="layer",  # "group" would mix padding in
        conv_kernel=(10, 8),
        conv_stride=(5, 4),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        layerdrop=0.0,
        mask_time_prob=0.0,
    )
    return transformers.Wav2Vec2Model(config), torch.randn(2, 800)


def transformers_whisper():
    """transformers' encoder of Whisper, made tiny: no module holds fc1, fc2."""
    config = transformers.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        max_source_positions=20,
    )
    encoder = transformers.models.whisper.modeling_whisper.WhisperEncoder
    return encoder(config), torch.randn(2, 80, 40)


def transformers_bert():
    """transformers' BERT, made tiny: its feed-forward is two modules."""
    config = transformers.BertConfig(**SIZE, vocab_size=9)
    model = transformers.BertModel(config, add_pooling_layer=False)
    return model, torch.randint(9, (2, 20))


# encoder -> its names of (blocks, attention, feed-forward, projections)
ENCODERS = {
    timm_vit: ("blocks.?", "*.attn", "*.mlp", "*.attn.qkv"),
    torchaudio_wav2vec2: (
        "encoder.transformer.layers.?",
        "*.attention",
        "*.feed_forward",
        "*.[qv]_proj",
    ),
    transformers_ast: (
        "layers.?",
        "*.attention",
        "*.mlp",
        "*.attention.[qv]_proj",
    ),
    transformers_wav2vec2: (
        "encoder.layers.?",
        "*.attention",
        "*.feed_forward",
        "*.[qv]_proj",
    ),
}


# encoder -> its names of (first, second half of a feed-forward)
HALVES = {
    transformers_whisper: ("layers.?.fc1", "layers.?.fc2"),
    transformers_bert: (
        "encoder.layer.?.intermediate",
        "encoder.layer.?.output",
    ),
}
BLOCKS = {
    transformers_whisper: "layers.?",
    transformers_bert: "encoder.layer.?",
}


def methods(block, attention, feed_forward, projections):
    """The wrappers that must work on any encoder."""
    bottleneck = partial(Bottleneck, width=4)
    return {
        "lora": {projections: partial(LoRA, rank=2)},
        "dora": {projections: partial(DoRA, rank=2)},
        "ia3": {projections: IA3},
        "ssf": {f"{attention}|{feed_forward}": SSF},
        "adapter": {feed_forward: partial(Adapter, block=bottleneck)},
        "conformer": {
            feed_forward: partial(Adapter, block=ConformerConvolution)
        },
        "moa": {
            attention: partial(
                Adapter, block=partial(SoftMoA, expert=bottleneck)
            )
        },
        "around_block": {block: partial(Adapter, block=bottleneck)},
        "prompt": {block: partial(Prompt, tokens=3)},
        "prefix": {attention: partial(Prefix, tokens=3)},
        "everything": {
            projections: partial(LoRA, rank=2),
            attention: partial(Prefix, tokens=3),
            feed_forward: partial(Adapter, block=bottleneck),
            block: partial(Prompt, tokens=3),
        },
    }


def features(output):
    """The hidden states, whatever the library returns them in."""
    if isinstance(output, tuple):
        return output[0]
    return getattr(output, "last_hidden_state", output)
