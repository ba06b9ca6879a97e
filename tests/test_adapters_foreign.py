"""The wrappers on encoders of other libraries, by globs alone."""

from functools import partial

import pytest
import timm
import torch
import torchaudio
import transformers
from adapter_methods import METHODS, spectrograms, tiny_ast
from torch.nn import functional as F

from speechbrain.nnet.adapters import AdaptedModel
from speechbrain_petl.adapted import AdaptedEncoder
from speechbrain_petl.adapters.adapter import Adapter
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.convolution import Conformer
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


def methods(block, attention, feed_forward, projections):
    """The wrappers that must work on any encoder."""
    bottleneck = partial(Bottleneck, width=4)
    return {
        "lora": {projections: partial(LoRA, rank=2)},
        "dora": {projections: partial(DoRA, rank=2)},
        "ia3": {projections: IA3},
        "ssf": {f"{attention}|{feed_forward}": SSF},
        "adapter": {feed_forward: partial(Adapter, block=bottleneck)},
        "conformer": {feed_forward: partial(Adapter, block=Conformer)},
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


NAMES = list(methods("", "", "", ""))


def features(output):
    """The hidden states, whatever the library returns them in."""
    if isinstance(output, tuple):
        return output[0]
    return getattr(output, "last_hidden_state", output)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", ENCODERS, ids=lambda make: make.__name__)
def test_on_other_encoders_by_globs_alone(make, name):
    """Same output shape, same function at first, and all of it trains."""
    torch.manual_seed(0)
    encoder, x = make()
    expected = features(encoder.eval()(x))
    wrap = methods(*ENCODERS[make])[name]
    adapted = AdaptedEncoder(encoder, wrap)
    actual = features(adapted.eval()(x))
    assert actual.shape == expected.shape
    if name not in ("prompt", "prefix", "everything"):
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.01)
    for _ in range(2):
        optimiser.zero_grad()
        y = features(adapted.train()(x))
        (y * torch.randn(y.shape)).sum().backward()
        optimiser.step()
    assert all(p.grad.count_nonzero() for p in trained)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["prompt", "prefix"])
def test_padded_batches_of_transformers(name, implementation):
    """A padded clip is encoded as by itself, whatever it was padded with."""
    torch.manual_seed(0)
    encoder, x = transformers_wav2vec2()
    encoder.set_attn_implementation(implementation)
    wrap = methods(*ENCODERS[transformers_wav2vec2])[name]
    adapted = AdaptedEncoder(encoder, wrap).eval()
    mask = torch.ones(x.shape, dtype=torch.long)
    mask[1, 500:] = 0
    short = 20  # tokens that see none of the padding through a convolution
    outputs = []
    for seed in range(2):
        x[1, 500:] = torch.randn(300)
        outputs.append(features(adapted(x, attention_mask=mask))[1, :short])
    assert outputs[0].isfinite().all()
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data.mul_(-2)
    moved = features(adapted(x, attention_mask=mask))[1, :short]
    assert not torch.allclose(moved, outputs[0])


@pytest.mark.parametrize("name", ["prompt", "prefix"])
def test_padded_batches_of_torchaudio(name):
    """The additive mask of torchaudio is padded as well."""
    torch.manual_seed(0)
    encoder, x = torchaudio_wav2vec2()
    wrap = methods(*ENCODERS[torchaudio_wav2vec2])[name]
    adapted = AdaptedEncoder(encoder, wrap).eval()
    y, lengths = adapted(x, torch.tensor([800, 500]))
    assert y.isfinite().all() and lengths[1] < lengths[0]


# wrappers whose arguments are the same for every site of SpeechBrain's own
SPEECHBRAIN = {
    "lora": "blocks.*.attn.qkv",
    "dora": "blocks.*.attn.proj",
    "bottleneck": "blocks.*.mlp",
    "before": "blocks.*.attn",
    "conformer": "blocks.*.mlp",
    "dense_moa": "blocks.*.attn",
    "soft_moa": "blocks.*.attn",
    "prompt_shallow": "blocks",
    "prompt_deep": "blocks.?",
    "prefix": "blocks.*.attn",
    "weighted_layers": "blocks",
    "loha": "blocks.*.attn.qkv",
    "ia3": "blocks.*.attn.qkv",
    "ssf": "blocks.*.norm?",
}


@pytest.mark.parametrize("name", SPEECHBRAIN)
def test_inside_speechbrains_adapted_model(name, tmp_path):
    """As adapter_class and adapter_kwargs, unchanged."""
    wrapper = next(iter(METHODS[name].wrap.values()))
    options = getattr(wrapper, "keywords", {})
    model = AdaptedModel(
        tiny_ast(),
        adapter_class=getattr(wrapper, "func", wrapper),
        adapter_kwargs=options,
        target_layers=[SPEECHBRAIN[name]],
    )
    y = model.eval()(spectrograms())
    y.sum().backward()
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trained and not any(n.endswith("norm1.bias") for n in trained)
    if METHODS[name].identity:
        expected = tiny_ast().eval()(spectrograms())
        torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-6)
    model.saver(tmp_path / "adapter.ckpt")
    model.loader(tmp_path / "adapter.ckpt", end_of_epoch=True)
    assert F.mse_loss(model(spectrograms()), y) == 0
