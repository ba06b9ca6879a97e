"""Poolings that learn: their methods, on every encoder that has a file of them."""

import copy

import pytest
import torch
from adapter_methods import spectrograms, tiny_ast
from encoder_methods import ENCODERS, SAMPLES
from speechbrain_petl import (
    AdaptedEncoder,
    AttentivePooling,
    BinaryPrototypes,
    ClipMean,
    Prototypes,
    embedding_dim,
)
from speechbrain_petl.errors import InputError
from torch import nn

POOLINGS = {
    "attentive": AttentivePooling,
    "binary": lambda encoder: BinaryPrototypes(encoder, 20),
    "prototypes": lambda encoder: Prototypes(encoder, 20),
    "class tokens": lambda encoder: Prototypes(encoder, 20, class_tokens=2),
}
every_pooling = pytest.mark.parametrize("kind", POOLINGS)


@every_pooling
@pytest.mark.parametrize("name", ENCODERS)
def test_padding_is_left_out(name, kind):
    """A clip pooled in a padded batch is as it would be alone."""
    of = ENCODERS[name]
    torch.manual_seed(0)
    encoder = of.make().eval()
    pooling, lengths = POOLINGS[kind](encoder), torch.tensor(SAMPLES)
    features = of.features(SAMPLES)
    together = pooling(encoder(features, lengths), lengths)
    assert together.shape == (2, embedding_dim(encoder, pooling))
    for i, count in enumerate(SAMPLES):
        own = features[i : i + 1, : of.size(count)]
        length = lengths[i : i + 1]
        alone = pooling(encoder(own, length), length)
        torch.testing.assert_close(
            alone, together[i : i + 1], atol=1e-4, rtol=1e-4
        )


@every_pooling
def test_every_parameter_has_a_gradient(kind):
    """In the first step, in fp32 and under autocast; the encoder none."""
    adapted = AdaptedEncoder(tiny_ast())
    pooling = POOLINGS[kind](adapted.encoder)
    for precision in (torch.float32, torch.bfloat16):
        pooling.zero_grad()
        with torch.autocast("cpu", precision, precision != torch.float32):
            y = pooling(adapted(spectrograms()))
        draw = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
        (y.float() * draw).sum().backward()
        for parameter in pooling.parameters():
            assert parameter.grad.isfinite().all()
            assert parameter.grad.count_nonzero()


@every_pooling
def test_compile_captures_one_graph(kind):
    """torch.compile(fullgraph=True)."""
    torch._dynamo.reset()
    pooling = POOLINGS[kind](tiny_ast())
    compiled = torch.compile(pooling, fullgraph=True, backend="eager")
    tokens = torch.randn(3, 62, 32)
    torch.testing.assert_close(compiled(tokens), pooling(tokens))


def test_attention_of_one_head_by_hand():
    """softmax(q k / sqrt(d)) v."""
    encoder = tiny_ast()
    pooling = AttentivePooling(encoder, heads=1)
    x = torch.randn(2, 5, 32)
    scores = pooling.key(x) @ pooling.query[0, 0] / 32**0.5
    expected = (scores.softmax(1).unsqueeze(2) * pooling.value(x)).sum(1)
    torch.testing.assert_close(pooling(x), expected, atol=1e-5, rtol=1e-5)


def test_prototypes_by_hand():
    """A loop over tokens and prototypes; the gradient passes the sign."""
    encoder, x = tiny_ast(), torch.randn(2, 5, 32)
    cosine = nn.functional.cosine_similarity
    binary = BinaryPrototypes(encoder, 3)
    signs = binary.prototypes.sign()
    free = Prototypes(encoder, 3, class_tokens=2)
    for i, clip in enumerate(x):
        for j in range(3):
            found = cosine(clip, signs[j : j + 1])
            torch.testing.assert_close(binary(x)[i, j], found.max())
            found = cosine(clip, free.prototypes[j : j + 1])
            expected = [found[2:].max(), found[2:].min(), found[:2].mean()]
            actual = free(x)[i, [j, 3 + j, 6 + j]]
            torch.testing.assert_close(actual, torch.stack(expected))
    binary(x).sum().backward()
    by_hand = signs.detach().clone().requires_grad_()
    found = cosine(x[:, :, None], by_hand, dim=3)
    found.amax(dim=1).sum().backward()
    torch.testing.assert_close(binary.prototypes.grad, by_hand.grad)


def test_wrong_values_are_explained():
    encoder = tiny_ast()
    with pytest.raises(InputError, match="heads=5 is no divisor of .* 32"):
        AttentivePooling(encoder, heads=5)
    with pytest.raises(InputError, match="prototypes=0: give a whole number"):
        BinaryPrototypes(encoder, 0)


def test_a_copy_pools_the_same():
    """Inference copies modules."""
    encoder = ENCODERS["whisper"].make()
    pooling, x = BinaryPrototypes(encoder, 20), torch.randn(2, 9, encoder.dim)
    lengths = torch.tensor([2880, 1600])
    expected = pooling(x, lengths)
    assert torch.equal(copy.deepcopy(pooling)(x, lengths), expected)
    assert "encoder" not in dict(pooling.named_modules())
    assert not list(ClipMean(encoder).parameters())
