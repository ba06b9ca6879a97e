"""AdapterFusion: adapters of finished runs, and attention that trains."""

import copy
import json
from functools import partial

import pytest
import torch
from adapter_methods import spectrograms, tiny_ast
from method_files import ROOT
from running import TINY, load_train, result_of, run
from speechbrain_petl import (
    AdaptedEncoder,
    Adapter,
    AdapterFusion,
    AudioClassifier,
    InputError,
)
from speechbrain_petl.adapters.blocks import Bottleneck
from speechbrain_petl.adapters.convolution import ConformerConvolution
from speechbrain_petl.adapters.mamba import MambaBottleneck
from speechbrain_petl.adapters.mixer import Shared
from speechbrain_petl.inference.deploy import deploy
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.training.starting import keep_what_trains
from speechbrain_petl.weights.adapter_files import (
    WAYS,
    WEIGHTS,
    read_weights,
    save_weights,
    write_weights,
)
from speechbrain_petl.weights.fused_adapters import load_fused
from torch import nn

from speechbrain.utils.checkpoints import Checkpointer

SMALL = partial(Bottleneck, width=4)
CONVOLVED = partial(ConformerConvolution, width=4, kernel=5)
SITE, TRAIN = "blocks.*.mlp", ["norm.*"]
CPU = {"device": "cpu"}


def adapted_run(folder, block=SMALL, train=TRAIN, seed=0, **way):
    """An encoder with adapters that say something, as a run leaves it."""
    adapter = partial(Adapter, block=block, **way)
    adapted = AdaptedEncoder(tiny_ast(seed), {SITE: adapter}, train)
    torch.manual_seed(ord(folder.name[0]))
    for n, p in adapted.named_parameters():
        if p.requires_grad and "block." in n:
            nn.init.normal_(p, std=0.3)
    for m in adapted.modules():
        if isinstance(m, nn.BatchNorm1d):
            nn.init.normal_(m.running_mean)
    folder.mkdir()
    save_weights(folder / WEIGHTS, {"encoder": adapted})
    return adapted.eval()


def fused(runs, block=SMALL, train=TRAIN, **options):
    """An encoder that fuses them."""
    runs = [str(run) for run in runs]
    fusion = partial(AdapterFusion, block=block, runs=runs, **options)
    return AdaptedEncoder(tiny_ast(), {SITE: fusion}, train)


@pytest.mark.parametrize("block", [SMALL, CONVOLVED], ids=["small", "conv"])
def test_one_adapter_is_that_run(block, tmp_path):
    """Of one there is nothing to choose, and V starts as the identity."""
    expected = adapted_run(tmp_path / "a", block)(spectrograms())
    encoder = fused([tmp_path / "a"], block).eval()
    pretrained = encoder(spectrograms())
    load_fused(encoder)
    torch.testing.assert_close(encoder(spectrograms()), expected)
    assert not torch.allclose(pretrained, expected, atol=1e-2)


def test_attention_by_hand(tmp_path):
    """y + sum_n softmax_n(Q y . K A_n(x)) V A_n(x)."""
    for name in "ab":
        adapted_run(tmp_path / name)
    encoder = fused([tmp_path / "a", tmp_path / "b"])
    load_fused(encoder)
    fusion = encoder.encoder.blocks[0].mlp
    for parameter in (
        fusion.query.weight,
        fusion.key.weight,
        fusion.value.weight,
    ):
        nn.init.normal_(parameter)
    x = torch.randn(1, 3, 32)
    for token in range(3):
        one = x[:, token : token + 1]
        y = fusion.pretrained_module(one)[0, 0]
        found = [adapter(one)[0, 0] for adapter in fusion.adapters]
        scores = [fusion.query(y) @ fusion.key(z) for z in found]
        shares = torch.stack(scores).softmax(0)
        expected = y + sum(s * fusion.value(z) for s, z in zip(shares, found))
        actual = fusion(x)[0, token]
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("block", [SMALL, CONVOLVED], ids=["small", "conv"])
def test_the_attention_trains_alone(block, tmp_path):
    """Gradients for it, the adapters stay, and a file holds both."""
    for name in "ab":
        adapted_run(tmp_path / name, block)
    encoder = fused([tmp_path / "a", tmp_path / "b"], block).train()
    load_fused(encoder)
    before = copy.deepcopy(encoder.state_dict())
    trained = {n: p for n, p in encoder.named_parameters() if p.requires_grad}
    assert sum(p.numel() for p in trained.values()) == 2 * (3 * 32**2 + 32) + 64
    optimiser, moved = torch.optim.AdamW(trained.values(), lr=0.01), set()
    for _ in range(2):
        optimiser.zero_grad()
        y = encoder(spectrograms())
        draw = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
        (y * draw).sum().backward()
        moved |= {n for n, p in trained.items() if p.grad.count_nonzero()}
        optimiser.step()
    assert trained.keys() - moved == set()
    for name, value in encoder.state_dict().items():
        if name not in trained:
            assert torch.equal(value, before[name]), name
    other = fused([tmp_path / "a", tmp_path / "b"], block)
    other.load_adapter_state(encoder.adapter_state())
    assert torch.equal(
        other.eval()(spectrograms()), encoder.eval()(spectrograms())
    )


def test_what_cannot_be_fused(tmp_path):
    """Each is named, with the run."""
    adapted_run(tmp_path / "a")
    adapted_run(tmp_path / "norms", train=["blocks.*.norm2.*"])
    adapted_run(tmp_path / "wide", partial(Bottleneck, width=5))
    adapted_run(tmp_path / "base", seed=3)
    for name, message in (
        ("none", "none holds no adapter.safetensors"),
        ("norms", "norms has also trained encoder.blocks.0.norm2.bias and 3"),
        ("wide", "wide has .* at encoder.blocks.0.mlp.block, the block of"),
        ("base", "base has adapted another base"),
    ):
        with pytest.raises(InputError, match=message):
            load_fused(fused([tmp_path / "a", tmp_path / name]))
    load_fused(fused([tmp_path / "norms"], train=["blocks.*.norm2.*"]))
    with pytest.raises(InputError, match=r"runs=\[\]: give the folders"):
        fused([])


def test_the_way_of_a_run(tmp_path):
    """Beside a module, with its scale; no other is fused as if it were."""
    expected = adapted_run(tmp_path / "tenth", scale=0.1)(spectrograms())
    encoder = fused([tmp_path / "tenth"], scale=0.1).eval()
    load_fused(encoder)
    torch.testing.assert_close(encoder(spectrograms()), expected)
    adapted_run(tmp_path / "after", where="after")
    adapted_run(tmp_path / "learned", learn_scale=True)
    adapted_run(tmp_path / "skipped", residual=True)
    for name, way in (
        ("tenth", "where=parallel, residual=False, scale=0.1"),
        ("after", "where=after, residual=True, scale=1"),
        ("skipped", "where=parallel, residual=True, scale=1"),
        ("learned", "where=parallel, residual=False, scale=learned"),
    ):
        message = f"{name} has {way} at encoder.blocks.0.mlp, and AdapterFusion"
        with pytest.raises(InputError, match=message):
            load_fused(fused([tmp_path / name]))
    path = tmp_path / "tenth" / WEIGHTS
    tensors, metadata = read_weights(path)
    del metadata[WAYS]
    write_weights(path, tensors, metadata)
    with pytest.raises(InputError, match="tenth does not say in which way"):
        load_fused(fused([tmp_path / "tenth"], scale=0.1))


def test_shared_blocks_are_not_fused(tmp_path):
    """Such as MambAdapter's."""
    shared = Shared(partial(MambaBottleneck, width=4), ["down", "up"])
    with pytest.raises(InputError, match="a Shared block, as MambAdapter and"):
        fused([tmp_path / "a"], shared)


def test_of_no_other_module(tmp_path):
    """A run's file has the base and the ways of its encoder alone."""
    adapted_run(tmp_path / "a")
    modules = nn.ModuleDict({"decoder": fused([tmp_path / "a"])})
    message = "AdapterFusion at encoder.blocks.0.mlp of the decoder: it fuses"
    with pytest.raises(InputError, match=message):
        keep_what_trains(modules, Checkpointer(tmp_path / "save"))


def test_a_recipe(esc50, tmp_path):
    """Two runs, one that fuses them; shared and deployed without them."""
    for seed in (1, 2):
        more = [f"--lr=0.0{seed}", f"--fold={seed}"]
        run(esc50, tmp_path / str(seed), *more, method="bottleneck")
    own = tmp_path / "hparams"
    own.mkdir()
    hparams = ROOT / "recipes" / "ESC50" / "hparams"
    (own / "base.yaml").write_text((hparams / "base.yaml").read_text())
    runs = json.dumps([str(tmp_path / str(seed)) for seed in (1, 2)])
    text = (hparams / "bottleneck.yaml").read_text()
    text = text.replace(
        "speechbrain_petl.Adapter\n", "speechbrain_petl.AdapterFusion\n"
    )
    indent = " " * 12
    text = text.replace("    train:", f"{indent}runs: {runs}\n    train:")
    (own / "fusion.yaml").write_text(text)
    output = tmp_path / "fused"
    argv = [str(own / "fusion.yaml"), f"--data_folder={esc50}", *TINY]
    load_train().main([*argv, f"--output_folder={output}"])
    classifier = AudioClassifier.from_run(output, run_opts=CPU)
    wavs = torch.randn(2, classifier.mods["fbank"].samples) / 10
    expected = classifier.classify_batch(wavs)[0]
    folder = save_adapter(output, tmp_path / "adapter")
    assert str(tmp_path) not in (folder / "adapter.json").read_text()
    result = result_of(output)
    for seed in (1, 2):
        (tmp_path / str(seed)).rename(tmp_path / f"moved{seed}")
    load_train().main([*argv, f"--output_folder={output}", "--test_only"])
    assert result_of(output)["metrics"] == result["metrics"]
    shared = AudioClassifier.from_hparams(folder, run_opts=CPU)
    assert torch.equal(shared.classify_batch(wavs)[0], expected)
    assert deploy(classifier, tmp_path / "a.pt2") <= 1e-4
