"""A run whose clips come from a cache is the run that computes them."""

import shlex
from contextlib import nullcontext
from types import SimpleNamespace

import killed
import numpy as np
import pytest
import torch
from layouts import write_clip
from method_files import ROOT
from recipe_rows import lists, rows_of
from running import (
    arguments,
    result_of,
    run,
    run_elsewhere,
    torchrun,
    weights_of,
)
from speechbrain_petl import AST, Augment, Fbank, Pooling
from speechbrain_petl.data.audio import read_audio
from speechbrain_petl.errors import InputError
from speechbrain_petl.training.cache.cached import cached_clips
from torch import nn

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset

PLAIN = "--augment={steps: []}"
LISTING = sorted(  # recipes that list the option
    path.parts[-3]
    for path in ROOT.glob("recipes/*/hparams/base.yaml")
    if "\ncache: " in path.read_text(encoding="utf-8")
)
FAST = ["--lr=0.02", "--seed=1"]
# of weights; the batches differ, and with them the order of some sums
CLOSE = {"atol": 2e-6, "rtol": 1e-5}


def options(folder, level, *more):
    """The command line of a cached run."""
    return [PLAIN, *FAST, f"--cache={level}", f"--cache_folder={folder}", *more]


def caches(folder):
    """The files of a cache folder."""
    return sorted(folder.glob("*.npy"))


def check_alike(output, expected, **tolerance):
    """Two runs learned and measured the same."""
    result, other = result_of(output), result_of(expected)
    assert result["tested_epoch"] == other["tested_epoch"]
    flat, flat_other = (
        [
            result["metrics"],
            *(e[s] for e in result["history"] for s in ("train", "valid")),
        ]
        for result in (result, other)
    )
    assert len(flat) == 5
    for numbers, others in zip(flat, flat_other):
        assert numbers == pytest.approx(others, rel=1e-5)
    weights, others = weights_of(output), weights_of(expected)
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        close = tolerance or CLOSE
        torch.testing.assert_close(value, others[name], **close)


@pytest.fixture(scope="module")
def plain(esc50, tmp_path_factory):
    """A linear probe without a cache."""
    output = tmp_path_factory.mktemp("plain")
    run(esc50, output, PLAIN, *FAST, method="linear")
    return output


@pytest.fixture(scope="module")
def cached(esc50, tmp_path_factory):
    """A linear probe on cached tokens: the run, and its cache."""
    folder = tmp_path_factory.mktemp("cached")
    kept = folder / "kept"
    run(esc50, folder / "run", *options(kept, "frozen"), method="linear")
    return folder / "run", kept


def test_probe_on_cached_tokens(plain, cached):
    """To 1e-5 of the metrics."""
    output, kept = cached
    check_alike(output, plain)
    (file,) = caches(kept)  # one vector per clip
    assert np.load(file, mmap_mode="r").shape == (50, 32)
    result = result_of(output)
    assert result["total_parameters"] == result_of(plain)["total_parameters"]


def test_what_is_cached_is_used(plain, cached, esc50, tmp_path):
    """By a run of another fold, not by one of another mean."""
    _, kept = cached
    (file,) = caches(kept)
    before = file.stat().st_mtime_ns
    more = options(kept, "frozen", "--fold=2", "--epochs=1")
    run(esc50, tmp_path / "fold", *more, method="linear")
    log = (tmp_path / "fold" / "log.txt").read_text()
    assert f"50 clips come from {file}" in log and "caching" not in log
    assert caches(kept) == [file] and file.stat().st_mtime_ns == before
    more = options(kept, "frozen", "--mean=-4.0", "--epochs=1")
    run(esc50, tmp_path / "mean", *more, method="linear")
    assert len(caches(kept)) == 2


@pytest.mark.parametrize("mode", ["cls", "patches"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_pooling_before_the_last_scale(mode, wrapped, tmp_path):
    """The embedding, and gradients of the LayerNorm; tokens if it is wrapped."""
    torch.manual_seed(0)
    encoder = AST((32, 2, 2), frames=64).requires_grad_(False)
    nn.init.normal_(encoder.norm.weight).requires_grad_(True)
    nn.init.normal_(encoder.norm.bias)
    if wrapped:
        encoder.norm = nn.Sequential(encoder.norm)
    modules = nn.ModuleDict(
        {
            "fbank": Fbank(frames=64),
            "encoder": encoder,
            "pooling": Pooling(mode),
            "wave_augment": Augment(),
            "augment": Augment(),
        }
    )
    brain = SimpleNamespace(
        modules=modules,
        raw_modules=modules,
        rank=0,
        processes=1,
        device="cpu",
        noprogressbar=True,
        eval_precision="fp32",
        evaluation_ctx=nullcontext(),
    )
    clips = {name: {"wav": str(tmp_path / f"{name}.wav")} for name in "abcd"}
    for target, clip in enumerate(clips.values()):
        write_clip(clip["wav"], target)
    data = DynamicItemDataset(clips, output_keys=["id", "sig"])
    data.add_dynamic_item(read_audio, takes="wav", provides="sig")
    found = []
    for level in (None, "frozen"):
        with cached_clips(
            brain, {"test": data}, {"batch_size": 2}, level, tmp_path
        ) as used:
            batch = PaddedBatch(list(used["test"]))
            features = brain.modules.fbank(*batch.sig)
            embedding = brain.modules.pooling(brain.modules.encoder(features))
            embedding.square().sum().backward()
        weight = next(encoder.norm.parameters())
        found.append((embedding.detach(), weight.grad.clone()))
        weight.grad = None
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    (file,) = caches(tmp_path)
    assert np.load(file).shape == ((4, 62, 32) if wrapped else (4, 32))


def test_features_with_augmentation(esc50, tmp_path):
    """LoRA takes cached features; SpecAugment follows, as ever."""
    expected, output = tmp_path / "expected", tmp_path / "output"
    run(esc50, expected, *FAST)
    more = options(tmp_path / "kept", "features")
    run(esc50, output, *(a for a in more if a != PLAIN))
    check_alike(output, expected)
    assert len(caches(tmp_path / "kept")) == 1
    more = options(tmp_path / "none", "frozen", "--epochs=1")
    run(esc50, tmp_path / "off", *(a for a in more if a != PLAIN))
    log = (tmp_path / "off" / "log.txt").read_text()
    assert "cache=frozen: not used, since augment changes" in log
    assert "--augment='!new:speechbrain_petl.Augment'" in log
    assert not caches(tmp_path / "none")


@pytest.mark.parametrize(
    "level, message",
    [
        ("features", "needs a cache_folder"),
        ("feature", "one of features, frozen. Did you mean features"),
    ],
)
def test_wrong_options(level, message):
    with pytest.raises(InputError, match=message):
        with cached_clips(None, {}, {}, level, folder=None):
            pass


def test_recipes_that_list_it():
    """All but AudioSet, whose clips are too many, and sequences; the template."""
    without = {"AudioSet", "LibriSpeech"}
    assert {path.stem for path in lists()} - {*LISTING} == without
    template = ROOT / "templates/audio_classification/hparams/base.yaml"
    assert "\ncache: null" in template.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("dataset", LISTING)
def test_every_recipe_that_lists_it(dataset, samples, tmp_path):
    """A probe with and without: metrics to 1e-5, weights to 1e-3."""
    rows = rows_of(ROOT / "tests" / "recipes" / f"{dataset}.csv")
    row = next(r for r in rows if r["Hparam_file"].endswith("/linear.yaml"))
    flags = shlex.split(row["test_debug_flags"])
    flags = [a for a in flags if not a.startswith("--debug")]
    argv = [str(ROOT / row["Hparam_file"]), *flags, PLAIN, "--device=cpu"]
    argv += ["--epochs=2", "--lr=0.02", "--noprogressbar"]
    kept = [f"--cache_folder={tmp_path / 'kept'}", "--cache=frozen"]
    for name, more in (("plain", []), ("cached", kept)):
        output = f"--output_folder={tmp_path / name}"
        script = ROOT / row["Script_file"]
        done = run_elsewhere([*argv, output, *more], script, cwd=samples)
        assert done.returncode == 0, done.stderr
    assert "clips come from" in (tmp_path / "cached" / "log.txt").read_text()
    # Adam makes steps of 0.02 of gradients that are all but 0
    close = {"atol": 1e-3, "rtol": 1e-5}
    check_alike(tmp_path / "cached", tmp_path / "plain", **close)


@pytest.mark.slow
@pytest.mark.parametrize(
    "dataset, name, reason",
    [
        ("AudioSet", "hparams/linear", "ClipDataset holds too many clips"),
        ("FluentSpeechCommands", "seq2seq/lora", "TimeSteps is no Pooling"),
        ("FluentSpeechCommands", "wav2vec2/lora", "takes clips of any length"),
    ],
)
def test_where_it_cannot_be(dataset, name, reason, samples, tmp_path):
    """The run says why, and goes on without."""
    rows = rows_of(ROOT / "tests" / "recipes" / f"{dataset}.csv")
    row = next(r for r in rows if r["Hparam_file"].endswith(f"{name}.yaml"))
    argv = [str(ROOT / row["Hparam_file"]), "--device=cpu", "--epochs=1"]
    argv += shlex.split(row["test_debug_flags"])
    argv.append("--brain={cache: features, cache_folder: kept}")
    argv.append(f"--output_folder={tmp_path / 'run'}")
    argv.append("--debug")
    done = run_elsewhere(argv, ROOT / row["Script_file"], cwd=samples)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "cache=features: not used, since" in log and reason in log


@pytest.mark.slow
@pytest.mark.parametrize("level", ["features", "frozen"])
def test_two_processes(level, plain, esc50, tmp_path):
    """With two workers each, against one process and none."""
    more = options(tmp_path / "kept", level, "--num_workers=2")
    argv = arguments(
        esc50, tmp_path / "run", *more, "--batch_size=2", method="linear"
    )
    done = torchrun([a for a in argv if a != "--device=cpu"])
    assert done.returncode == 0, done.stderr
    check_alike(tmp_path / "run", plain)
    assert len(caches(tmp_path / "kept")) == 1


@pytest.mark.slow
def test_killed_and_started_again(cached, esc50, tmp_path):
    """In the midst of caching, and then in that of training."""
    kept, output = tmp_path / "kept", tmp_path / "run"
    more = options(kept, "frozen", "--ckpt_interval_steps=1")
    argv = arguments(esc50, output, *more, method="linear")
    for where in (["cache", "3"], ["step", "12"]):
        done = run_elsewhere([*where, *argv], killed.__file__)
        assert done.returncode == -9, done.stderr
        assert len(caches(kept)) == (where[0] == "step")
    done = run_elsewhere(argv)
    assert done.returncode == 0, done.stderr
    assert not list(kept.glob("*.part"))
    check_alike(output, cached[0])
    for name, value in weights_of(output).items():
        assert torch.equal(value, weights_of(cached[0])[name]), name
