"""fp32 and bf16: parity with peers, the start of every method, emulation."""

import platform

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from benchmarks.peers import Logits, Plain, huggingface
from benchmarks.subjects import Ours
from running import result_of, run
from speechbrain_petl.training import precision
from speechbrain_petl.training.options import resolve_options
from torch import nn
from torch.nn import functional as F
from toy import ToyBrain, toy_brain, train

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
every_precision = pytest.mark.parametrize("name", PRECISIONS)
# methods of PEFT, which rounds the product of two small matrices
ROUNDED = {"loha": 0.02, "oft": 0.02, "oft_inside": 0.02}


def autocast(name):
    """As a Brain of that precision has it."""
    return torch.autocast("cpu", PRECISIONS[name], enabled=name == "bf16")


def difference(a, b):
    """Largest difference, as a share of the largest value."""
    return float((a - b).abs().max() / b.abs().max())


def logits_and_gradient(model, name):
    """In evaluation, of three clips; the gradient is that of the input."""
    x = spectrograms().requires_grad_()
    with autocast(name):
        logits = model.eval()(x)
        loss = F.cross_entropy(logits.float(), torch.arange(3))
    loss.backward()
    return logits.detach().float(), x.grad


def models():
    """Ours and its peers, with the same weights and the same head."""
    encoder = tiny_ast()
    made = {
        "ours": Ours(encoder),
        "papers": Plain(encoder),
        "sdpa": Logits(huggingface(encoder, "sdpa")),
        "eager": Logits(huggingface(encoder, "eager")),
    }
    return made


def with_one_head(made):
    """transformers' heads are others: their encoder, the mean, our head."""
    head = made["ours"].head
    made["papers"].head = head
    for name in ("sdpa", "eager"):
        ast = made[name].model.base_model.model.audio_spectrogram_transformer
        made[name] = Pooled(ast, head)
    return made


class Pooled(nn.Module):
    """transformers' encoder, the mean of its tokens, a head."""

    def __init__(self, encoder, head):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, features):
        """Spectrogram (batch, frame, mel) to logits (batch, class)."""
        tokens = self.encoder(input_values=features).last_hidden_state
        return self.head(tokens.mean(dim=1))


@pytest.fixture(scope="module")
def peers():
    """Name -> model."""
    return with_one_head(models())


@pytest.mark.parametrize("peer", ["papers", "sdpa", "eager"])
def test_parity_with_peers_in_fp32(peer, peers):
    """Logits to 1e-5, gradients through all blocks to 1e-4."""
    logits, gradient = logits_and_gradient(peers["ours"], "fp32")
    others = logits_and_gradient(peers[peer], "fp32")
    assert difference(logits, others[0]) < 1e-5
    assert difference(gradient, others[1]) < 1e-4


def test_parity_with_peers_in_bf16(peers):
    """No farther from the fp32 result than twice the best peer; 2 % and 5 %."""
    exact = logits_and_gradient(peers["papers"], "fp32")
    errors = {}
    for name, model in peers.items():
        found = logits_and_gradient(model, "bf16")
        errors[name] = [difference(a, b) for a, b in zip(found, exact)]
    ours = errors.pop("ours")
    for number, most in enumerate((0.02, 0.05)):
        best = min(error[number] for error in errors.values())
        assert ours[number] < max(2 * best, 1e-3)
        assert 0 < ours[number] < most


@pytest.mark.parametrize(
    "method", [n for n, method in METHODS.items() if method.identity]
)
@pytest.mark.parametrize("training", [False, True])
def test_start_as_the_pretrained_function_in_bf16(method, training):
    """To the bit, but for PEFT's; in fp32 see test_adapters_contract.py."""
    x = spectrograms()
    pretrained = tiny_ast().train(training)
    adapted = METHODS[method].adapt(tiny_ast()).train(training)
    with autocast("bf16"):
        expected, actual = pretrained(x), adapted(x)
    assert not torch.equal(expected, pretrained(x))  # it is bf16 indeed
    atol = ROUNDED.get(method, 0.0)
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


@pytest.mark.parametrize(
    "machine, has, emulated",
    [
        ("x86_64", False, True),
        ("AMD64", False, True),
        ("x86_64", True, False),
        ("aarch64", False, False),
    ],
)
def test_which_cpu_emulates(machine, has, emulated, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    assert precision.emulates_bf16() == emulated


class Spy(ToyBrain):
    """Knows what its layers compute in, in each stage."""

    def compute_forward(self, batch, stage):
        """Logits."""
        logits = super().compute_forward(batch, stage)
        self.seen = {**getattr(self, "seen", {}), stage.name: logits.dtype}
        return logits


@pytest.mark.parametrize("emulated", [True, False])
@pytest.mark.parametrize("asked", ["precision", "eval_precision"])
@pytest.mark.parametrize("by", ["command line", "yaml", "old flag"])
def test_a_brain_leaves_emulated_bf16(
    by, asked, emulated, tmp_path, monkeypatch, caplog
):
    """And says so; where the CPU has it, it is what was asked for."""
    monkeypatch.setattr(precision, "emulates_bf16", lambda: emulated)
    options, hparams = {asked: "bf16"}, {}
    if by == "yaml":
        options, hparams = hparams, options
    elif by == "old flag":
        options, asked = {"bfloat16_mix_prec": True}, "precision"
    with caplog.at_level("INFO"):
        brain = toy_brain(tmp_path, None, Spy, hparams=hparams, **options)
    used = {"precision": "fp32", "eval_precision": "fp32"}
    used |= {} if emulated else {asked: "bf16"}
    for name, value in used.items():
        assert getattr(brain, name) == value
        assert f"precision: `--{name}={value}`" in caplog.text  # SpeechBrain's
    line = f"--{asked}=bf16: this CPU has no bf16 instructions"
    assert caplog.text.count(line) == emulated
    assert train(brain)["precision"] == used["precision"]
    assert brain.seen == {
        "TRAIN": PRECISIONS[used["precision"]],
        "VALID": PRECISIONS[used["eval_precision"]],
        "TEST": PRECISIONS[used["eval_precision"]],
    }


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_attention_of_a_step_in_bf16_is_not_fused(asked, tmp_path, monkeypatch):
    """By timm's switch, and on a CPU: there the fused one is slower in bf16."""
    monkeypatch.setattr(precision, "emulates_bf16", lambda: False)
    brain = toy_brain(tmp_path, tiny_ast(), precision=asked)
    for block in brain.modules.net.blocks:
        assert block.attn.fused_attn == (asked == "fp32")


@pytest.mark.parametrize(
    "options",
    [
        {"device": "cuda", "precision": "bf16", "eval_precision": "bf16"},
        {"device": "cpu", "precision": "fp32"},
    ],
)
def test_others_are_left_alone(options, monkeypatch):
    """fp32, and bf16 on a GPU."""
    monkeypatch.setattr(precision, "emulates_bf16", lambda: True)
    assert precision.without_emulated_bf16(options) == options


@pytest.mark.parametrize(
    "capability, expected",
    [
        ((9, 0), ("bf16", "bf16")),
        ((8, 0), ("bf16", "bf16")),
        ((7, 5), ("fp16", "fp32")),
        ((6, 1), ("fp32", "fp32")),
    ],
)
def test_what_a_gpu_computes_in(capability, expected, monkeypatch):
    """Where nobody asks; who asks gets what he asks for."""
    for name, value in {
        "is_bf16_supported": lambda including_emulation: capability >= (8, 0),
        "get_device_capability": lambda device: capability,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    for run_opts, hparams in (
        ({"device": "cuda:0"}, {}),
        ({}, {"device": "cuda:0"}),
    ):
        options = resolve_options(run_opts, hparams)
        assert (options["precision"], options["eval_precision"]) == expected
        options = resolve_options({**run_opts, "precision": "fp32"}, hparams)
        assert options["precision"] == "fp32"
    options = resolve_options({"device": "cuda:0"}, {"precision": "fp32"})
    assert options["precision"] == "fp32"


def test_recipe_in_bf16(esc50, tmp_path, monkeypatch):
    """End to end, as on a CPU that has it: the losses agree to 2 %."""
    monkeypatch.setattr(precision, "emulates_bf16", lambda: False)
    more = ["--augment={steps: []}", "--lr=0.02"]
    run(esc50, tmp_path / "fp32", *more)
    both = ["--precision=bf16", "--eval_precision=bf16"]
    run(esc50, tmp_path / "bf16", *more, *both)
    results = [result_of(tmp_path / name) for name in ("bf16", "fp32")]
    assert [result["precision"] for result in results] == ["bf16", "fp32"]
    for split in ("train", "valid"):
        losses = [r["history"][-1][split]["loss"] for r in results]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)
        assert losses[0] != losses[1]
