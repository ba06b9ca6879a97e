"""Tiny speech encoders, and other libraries' models of the same shape."""

import torch
import torchaudio
import transformers
from speechbrain_petl.lobes.wav2vec2 import CONVOLUTIONS, SIZES, Wav2Vec2

DIM, DEPTH, HEADS = SIZE = (32, 2, 2)
FAMILIES = [name for name in SIZES if not name.endswith("xlsr_300m")]
THEIRS = {
    "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
    "hubert": (transformers.HubertConfig, transformers.HubertModel),
    "wavlm": (transformers.WavLMConfig, transformers.WavLMModel),
}


def ours(family="wav2vec2_base", seed=0, size=SIZE, **options):
    """A tiny Wav2Vec2."""
    torch.manual_seed(seed)
    return scrambled(Wav2Vec2(size, family, **options))


def scrambled(model, seed=0):
    """Random numbers also where a new model has zeros and ones.

    Large ones for relative positions and their gates, which else do little.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if any(word in name for word in ("rel", "grep", "positions")):
            parameter.data.add_(noise)
        elif parameter.dim() < 2 or parameter.shape[:1] == (1,):
            parameter.data.add_(0.1 * noise)
    return model


def huggingface(family):
    """The model of transformers with that shape."""
    _, norm, bias, first, _ = SIZES[family]
    config, model = THEIRS[family.split("_")[0]]
    torch.manual_seed(1)
    made = model(
        config(
            hidden_size=DIM,
            num_hidden_layers=DEPTH,
            num_attention_heads=HEADS,
            intermediate_size=4 * DIM,
            conv_dim=(DIM,) * len(CONVOLUTIONS),
            feat_extract_norm=norm.split("_")[0],
            conv_bias=bias,
            do_stable_layer_norm=first,
        )
    )
    return scrambled(made).eval()


def torchaudios(family):
    """The model of torchaudio with that shape."""
    _, norm, bias, first, relative = SIZES[family]
    make, options = torchaudio.models.wav2vec2_model, {}
    if relative:
        make = torchaudio.models.wavlm_model
        options = {"encoder_num_buckets": 320, "encoder_max_distance": 800}
    torch.manual_seed(1)
    model = make(
        extractor_mode=norm,
        extractor_conv_layer_config=[
            (DIM, kernel, step) for _, kernel, step in CONVOLUTIONS
        ],
        extractor_conv_bias=bias,
        encoder_embed_dim=DIM,
        encoder_projection_dropout=0.1,
        encoder_pos_conv_kernel=128,
        encoder_pos_conv_groups=16,
        encoder_num_layers=DEPTH,
        encoder_num_heads=HEADS,
        encoder_attention_dropout=0.1,
        encoder_ff_interm_features=4 * DIM,
        encoder_ff_interm_dropout=0.1,
        encoder_dropout=0.1,
        encoder_layer_norm_first=first,
        encoder_layer_drop=0.1,
        aux_num_out=None,
        **options,
    )
    return scrambled(model).eval()


def noise(*shape, seed=0):
    """Waveforms or spectrograms."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
