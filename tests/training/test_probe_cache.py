"""Probes that train on stored tokens, layers and means, with every encoder."""

import json
from collections import namedtuple
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from encoder_methods import ENCODERS
from layouts import write_clip
from running import result_of, run
from speechbrain_petl import (
    AST,
    AdaptedEncoder,
    AttentivePooling,
    Augment,
    BinaryPrototypes,
    ClipMean,
    Fbank,
    LogMel,
    MelDB,
    Pooling,
    Prototypes,
    SpecAugment,
    Waveform,
    WeightedLayers,
)
from speechbrain_petl.data.audio import read_audio
from speechbrain_petl.errors import InputError
from speechbrain_petl.training.cache import clip_store
from speechbrain_petl.training.cache.cached import cached_clips
from speechbrain_petl.training.cache.frozen import obstacle_to
from speechbrain_petl.training.cache.probes import probe_of
from torch import nn

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset

FRONT = {  # encoder -> its front end, of at most 10,480 samples
    "ast": partial(Fbank, frames=64),
    "beats": partial(Fbank, frames=64),
    "whisper": partial(LogMel, seconds=0.655),
    "ced": partial(MelDB, seconds=0.655, scaled=False),
    "wav2vec2": partial(Waveform, seconds=0.655),
    "wav2vec2_large": partial(Waveform, seconds=0.655),
}
STACKS = dict.fromkeys(("ast", "whisper", "ced"), "blocks")
SAMPLES = (8000, 10480, 4000)
PLAIN, GATED = "weighted", "gated"
Case = namedtuple("Case", "wrap pooling train")


def mean_of(encoder):
    """The plain mean."""
    return Pooling() if isinstance(encoder, AST) else ClipMean(encoder)


CASES = {
    "mean": Case(None, mean_of, []),
    "attentive": Case(None, AttentivePooling, []),
    "protobin": Case(None, partial(BinaryPrototypes, prototypes=20), []),
    PLAIN: Case(WeightedLayers, mean_of, ["norm.*"]),
    GATED: Case(
        partial(WeightedLayers, normalise=True),
        partial(Prototypes, prototypes=20),
        [],
    ),
}


def modules_of(name, case, **options):
    """What a Brain has."""
    if name == "ast":
        torch.manual_seed(0)
        encoder = AST((32, 2, 2), frames=64, **options)
    else:
        encoder = ENCODERS[name].make(**options)
    stack = STACKS.get(name, "encoder.transformer.layers")
    torch.manual_seed(1)
    train = case.train if name in STACKS else []
    wrap = {stack: case.wrap} if case.wrap else {}
    pooling = case.pooling(encoder)
    adapted = AdaptedEncoder(encoder, wrap, train)
    parts = {"fbank": FRONT[name](), "pooling": pooling, "encoder": adapted}
    parts |= {"wave_augment": Augment(), "augment": Augment()}
    return nn.ModuleDict(parts).eval()


def brain_of(modules):
    """The little of a Brain that a cache needs."""
    return SimpleNamespace(
        modules=modules,
        raw_modules=modules,
        rank=0,
        processes=1,
        device="cpu",
        noprogressbar=True,
        eval_precision="fp32",
        evaluation_ctx=nullcontext(),
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three clips of different lengths."""
    folder, entries = tmp_path_factory.mktemp("clips"), {}
    for target, samples in enumerate(SAMPLES):
        path = str(folder / f"{samples}.wav")
        write_clip(path, target)
        entries[str(samples)] = {"wav": path}

    def cut(path):
        samples = int(path.rpartition("/")[2].removesuffix(".wav"))
        return read_audio(path)[:samples]

    data = DynamicItemDataset(entries, output_keys=["id", "sig"])
    data.add_dynamic_item(cut, takes="wav", provides="sig")
    return data


def forward(modules, batch):
    """As the recipes have it."""
    wavs, wav_lens = batch.sig
    samples = wav_lens * wavs.shape[1]
    features = modules.fbank(wavs, wav_lens)
    tokens = modules.encoder(features, samples)
    return modules.pooling(tokens, samples)


def both_ways(modules, clips, folder):
    """Embedding and gradients, computed and from the cache."""
    found, brain = [], brain_of(modules)
    for level in (None, "frozen"):
        modules.zero_grad()
        with cached_clips(
            brain, {"test": clips}, {"batch_size": 2}, level, folder
        ) as used:
            y = forward(modules, PaddedBatch(list(used["test"])))
            draw = torch.Generator().manual_seed(1)
            if y.requires_grad:
                (y * torch.randn(y.shape, generator=draw)).sum().backward()
        slopes = {n: p.grad for n, p in modules.named_parameters()}
        found.append(
            (y.detach(), {k: v for k, v in slopes.items() if v is not None})
        )
    return found


EXACT = {"mean": FRONT, PLAIN: ["wav2vec2", "beats"]}  # means, of 32 bits


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("name", FRONT)
def test_from_the_cache_as_computed(name, kind, clips, tmp_path):
    """Embeddings and gradients; what is kept is as small as can be."""
    modules = modules_of(name, CASES[kind])
    computed, cached = both_ways(modules, clips, tmp_path)
    exact = name in EXACT.get(kind, ())
    close = {"atol": 1e-5 if exact else 5e-3, "rtol": 1e-5 if exact else 1e-2}
    torch.testing.assert_close(cached[0], computed[0], **close)
    assert cached[1].keys() == computed[1].keys()
    for key, slope in computed[1].items():
        error = (cached[1][key] - slope).norm() / slope.norm().clamp(min=1e-6)
        assert error < (1e-4 if exact else 0.05), key
    (file,) = tmp_path.glob("*.npy")
    stored = np.load(file)
    assert stored.dtype == (np.float32 if exact else np.float16)
    layers = [2] if CASES[kind].wrap else []
    rows = stored.shape[1:-1]
    assert [*rows] == layers if exact else [*rows[1:]] == layers
    # nothing is left in the model
    again = both_ways(modules, clips, tmp_path)[0][0]
    assert torch.equal(again, computed[0])


OTHERS = [
    ("ast", {"dropout": 0.1}),
    ("ast", {"patch_dropout": 0.5}),
    ("ast", {"token_merging": 0.5}),
    ("wav2vec2", {"time_masking": 0.5}),
    ("wav2vec2", {"dropout": 0.1}),
]


@pytest.mark.parametrize("name, options", OTHERS, ids=str)
def test_what_training_computes_otherwise_is_not_kept(name, options):
    """Dropout, patches left out, masks, merged tokens."""
    modules = modules_of(name, CASES["attentive"], **options)
    assert probe_of(modules) is None
    assert obstacle_to("frozen", modules, {})


def test_what_trains_inside_is_no_probe():
    """Parameters before the layers, or in them."""
    for train in (["pos_embed"], ["blocks.1.*"]):
        case = CASES[PLAIN]._replace(train=train)
        assert probe_of(modules_of("ast", case)) is None


def test_augmentation_is_said():
    modules = modules_of("beats", CASES["attentive"])
    assert obstacle_to("frozen", modules, {}) is None
    modules["augment"] = Augment([SpecAugment(4, 8)])
    assert "augment changes" in obstacle_to("frozen", modules, {})


def test_other_frozen_weights_are_another_cache(clips, tmp_path):
    """Also another size of the gap between them, such as the strides."""
    modules = modules_of("ast", CASES[GATED])
    both_ways(modules, clips, tmp_path)
    with torch.no_grad():
        modules.encoder.get_parameter(
            "encoder.blocks.pretrained_module.1.attn.qkv.bias"
        )[0] += 1
    both_ways(modules, clips, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2
    with torch.no_grad():  # what trains is not in it
        modules.encoder.get_parameter("encoder.blocks.logits")[0] += 1
    both_ways(modules, clips, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_a_disk_without_room(clips, tmp_path, monkeypatch):
    """Refused before a byte is written, with both sizes."""
    modules = modules_of("whisper", CASES[GATED])
    usage = SimpleNamespace(free=10)
    monkeypatch.setattr(clip_store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"no room for .* GB \(0.00 GB are"):
        both_ways(modules, clips, tmp_path)
    assert not list(tmp_path.glob("*.npy"))


def test_tokens_too_large_for_16_bits(clips, tmp_path):
    modules = modules_of("whisper", CASES["attentive"])
    nn.init.constant_(modules.encoder.encoder.norm.bias, 1e5)
    with pytest.raises(InputError, match="too large for 16 bits"):
        both_ways(modules, clips, tmp_path)


METHODS = ("attentive", "protobin", "gated_probe", "weighted_layers")


@pytest.mark.parametrize("method", METHODS)
def test_runs(method, esc50, tmp_path):
    """A recipe with and without: the same metrics, and so many parameters."""
    results = []
    for name in ("plain", "cached"):
        more = ["--augment={steps: []}", "--lr=0.01"]
        if name == "cached":
            more += ["--cache=frozen", f"--cache_folder={tmp_path / 'kept'}"]
        run(esc50, tmp_path / name, *more, method=method)
        results.append(result_of(tmp_path / name))
    plain, cached = results
    assert cached["trainable_parameters"] == plain["trainable_parameters"]
    losses = [
        [e[s]["loss"] for e in r["history"] for s in ("train", "valid")]
        for r in results
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)
    log = (tmp_path / "cached" / "log.txt").read_text()
    assert "clips come from" in log and "caching 50 clips: " in log
    assert json.dumps(plain["metrics"])
