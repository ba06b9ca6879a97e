"""What may be cached, what prevents it, and what it depends on."""

import os
from functools import partial

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from speechbrain_petl import (
    AST,
    AdaptedEncoder,
    Augment,
    Fbank,
    LoRA,
    Pooling,
    RandomGain,
    SpecAugment,
)
from speechbrain_petl.lobes.sequence import TimeSteps
from speechbrain_petl.training.cache.clip_store import checksum_of
from speechbrain_petl.training.cache.frozen import (
    LEVELS,
    frozen_blocks,
    obstacle_to,
    what_computes,
)
from torch import nn

from speechbrain.dataio.dataset import DynamicItemDataset

LAST = {"blocks.1.attn.qkv": partial(LoRA, rank=2, parts="qv")}


def modules_of(encoder=None, **others):
    """What a Brain has, for a linear probe without augmentation."""
    return nn.ModuleDict(
        {
            "fbank": Fbank(frames=64),
            "wave_augment": Augment(),
            "augment": Augment(),
            "pooling": Pooling(),
            "encoder": encoder or probe(),
            **others,
        }
    )


def probe(wrap=None, train=("norm.*",), **options):
    """A tiny AST, of which only the last LayerNorm trains."""
    return AdaptedEncoder(tiny_ast(**options), wrap, list(train))


@pytest.mark.parametrize("name", METHODS)
def test_frozen_blocks_of_every_method(name):
    """What they compute does not change in training; what follows may."""
    adapted = METHODS[name].adapt(tiny_ast()).train()
    count = frozen_blocks(adapted)
    assert count == (2 if name == "linear" else 0)
    if count:
        x = spectrograms()
        before = adapted.encoder.embed(x)
        before = adapted.encoder.blocks(before)
        assert not before.requires_grad and adapted(x).requires_grad


@pytest.mark.parametrize(
    "encoder, blocks",
    [
        (probe(), 2),
        (probe(LAST), 1),
        (probe(train=["norm.*", "blocks.1.*"]), 1),
        (probe(train=["norm.*", "blocks.0.norm1.*"]), 0),
        (probe(train=["norm.*", "pos_embed"]), 0),
        (probe(train=["norm.*", "patch_embed.*"]), 0),
        (probe(train=["norm.*", "cls_token"]), 0),
        (probe(dropout=0.1), 0),
    ],
)
def test_start_in_the_midst(encoder, blocks):
    """From the tokens that enter it, the rest computes the same."""
    assert frozen_blocks(encoder) == blocks
    ast, x = encoder.encoder.eval(), spectrograms()
    expected = encoder(x)
    if blocks:
        tokens = ast.blocks[:blocks](ast.embed(x))
        ast.start = blocks
        assert torch.equal(encoder(tokens), expected)


OBSTACLES = {  # why not -> level, what is different
    "wave_augment changes": (
        "features",
        {"wave_augment": Augment([RandomGain()])},
    ),
    "augment changes the spectrograms": (
        "frozen",
        {"augment": Augment([SpecAugment(4, 8)])},
    ),
    "dropout changes": ("frozen", {"encoder": probe(dropout=0.1)}),
    "dropout changes the tokens": (
        "frozen",
        {"encoder": probe(patch_dropout=0.5)},
    ),
    "trains or wraps the first block": (
        "frozen",
        {"encoder": METHODS["lora"].adapt(tiny_ast())},
    ),
    "or the whole stack": (
        "frozen",
        {"encoder": METHODS["prompt_shallow"].adapt(tiny_ast())},
    ),
    "merged in evaluation": (
        "frozen",
        {"encoder": probe(token_merging=0.5)},
    ),
    "Linear takes clips of any length": (
        "features",
        {"encoder": nn.Linear(2, 2)},
    ),
    "TimeSteps is no Pooling": (
        "features",
        {"pooling": TimeSteps((12, 5))},
    ),
}


@pytest.mark.parametrize("reason", OBSTACLES)
def test_obstacles(reason):
    """Each is named; features need less than tokens."""
    level, others = OBSTACLES[reason]
    assert reason in obstacle_to(level, modules_of(**others), {})
    if level == "frozen":
        assert obstacle_to("features", modules_of(**others), {}) is None


def test_no_obstacle():
    data = {"train": DynamicItemDataset({"a": {"wav": "a.wav"}})}
    for level in LEVELS:
        assert obstacle_to(level, modules_of(), data) is None
    data["test"] = [1, 2]
    for level in LEVELS:
        assert "list holds too many" in obstacle_to(level, modules_of(), data)


def checksum(modules, blocks):
    """Of no clips."""
    settings, state = what_computes(modules, blocks)
    return checksum_of(settings, {}, state)


FBANKS = [
    Fbank(frames=65),
    Fbank(frames=64, mels=64),
    Fbank(frames=64, mean=-4.0),
    Fbank(frames=64, std=4.0),
    Fbank(frames=64, window="povey"),
    Fbank(frames=64, scale=2.0),
    Fbank(frames=64, sample_rate=8000),
]


@pytest.mark.parametrize("fbank", FBANKS)
def test_another_filterbank_is_another_cache(fbank):
    for blocks in (None, 2):
        expected = checksum(modules_of(), blocks)
        assert checksum(modules_of(), blocks) == expected
        assert checksum(modules_of(fbank=fbank), blocks) != expected


def changed(name):
    """A probe with another value of a parameter."""
    encoder = probe()
    parameter = encoder.encoder.get_parameter(name)
    with torch.no_grad():
        parameter.view(-1)[0] += 1e-6
    return encoder


def of_size(size, **options):
    """A probe with the weights of the others, as far as they fit."""
    ast = AST(size, frames=64, **options)
    ast.load_state_dict(tiny_ast().state_dict())
    return AdaptedEncoder(ast, train=["norm.*"])


def test_other_tokens_are_another_cache():
    """Weights, positions, strides and heads count, what follows does not."""
    expected = checksum(modules_of(), 1)
    features = checksum(modules_of(), None)
    heads = of_size((32, 2, 4))
    for encoder in (
        changed("patch_embed.proj.bias"),
        changed("cls_token"),
        changed("pos_embed"),
        changed("blocks.0.mlp.fc2.weight"),
        heads,
    ):
        assert checksum(modules_of(encoder), 1) != expected
        assert checksum(modules_of(encoder), None) == features
    for encoder in (
        changed("blocks.1.norm1.weight"),
        changed("norm.weight"),
        probe(LAST),  # its A is drawn anew
    ):
        assert checksum(modules_of(encoder), 1) == expected
    assert checksum(modules_of(), 2) != expected
    swapped = modules_of(probe())
    swapped["encoder"].encoder.strides = (8, 12)  # as many patches
    assert checksum(swapped, 1) != expected


def test_other_clips_are_another_cache(tmp_path):
    """A file that has changed in size or time, and another entry."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"12345678")
    entry = {"wav": str(path), "start": 0.0}
    seen = {checksum_of({}, {"a": entry}, {})}
    assert seen == {checksum_of({}, {"a": dict(entry)}, {})}
    seen.add(checksum_of({}, {"a": {**entry, "start": 1.0}}, {}))
    seen.add(checksum_of({}, {"b": entry}, {}))
    time = path.stat().st_mtime_ns
    path.write_bytes(b"87654321")
    seen.add(checksum_of({}, {"a": entry}, {}))
    path.write_bytes(b"123456789")
    os.utime(path, ns=(time, time))
    seen.add(checksum_of({}, {"a": entry}, {}))
    assert len(seen) == 5
