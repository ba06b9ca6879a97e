"""What holds for every wrapper and block of the package, by one table."""

from fnmatch import fnmatch
from functools import partial

import pytest
import torch
from adapter_methods import METHODS, spectrograms, tiny_ast
from benchmarks.child import live_tensors
from method_files import (
    ENCODERS,
    OF_THE_POOLING,
    distinct_methods,
    encoder_of,
    method_files,
    petl_text,
)
from speechbrain_petl import AST
from speechbrain_petl.adapters.adapted import AdaptedEncoder
from speechbrain_petl.adapters.lora import LoRA
from torch import nn

every_method = pytest.mark.parametrize("name", METHODS)
# for what takes seconds; the others of these kinds are slow
DAILY = {
    *(
        "full",
        "lora",
        "pissa",
        "vera",
        "bottleneck",
        "conformer",
        "mambadapter",
    ),
    *("soft_moa", "prefix", "prompt_deep", "prompt_shallow", "token_mixer"),
    *("weighted_layers", "gated_probe", "loha"),
}
daily_methods = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in DAILY else pytest.mark.slow)
        for name in METHODS
    ],
)


def loss_of(adapted, batch=3):
    """Something that depends on every token in its own way."""
    tokens = adapted(spectrograms(batch)).float()
    generator = torch.Generator().manual_seed(1)
    return (tokens * torch.randn(tokens.shape, generator=generator)).mean()


def two_steps(adapted, steps=2):
    """Train two steps; the names of the parameters that had a gradient."""
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.01)
    moved = set()
    for _ in range(steps):
        optimiser.zero_grad()
        loss_of(adapted).backward()
        moved |= {
            name
            for name, p in adapted.named_parameters()
            if p.grad is not None and p.grad.count_nonzero()
        }
        optimiser.step()
    return moved


def test_every_method_is_tried():
    """Each method file is one of those that the table holds."""
    names = {"ast", *ENCODERS.values()}
    tried = {name: distinct_methods(name).values() for name in names}
    for path in method_files():
        methods = [petl_text(other) for other in tried[encoder_of(path)]]
        own = petl_text(path)
        assert methods.count(own) == (own != OF_THE_POOLING)
    assert distinct_methods().keys() < METHODS.keys()
    assert DAILY < METHODS.keys()


@every_method
def test_identity_at_initialisation(name):
    """Adapted and pretrained agree, or the method is declared an exception."""
    expected = tiny_ast().eval()(spectrograms())
    adapted = METHODS[name].adapt(tiny_ast()).eval()
    actual = adapted(spectrograms())
    if METHODS[name].identity:
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-6)
    else:
        assert actual.shape != expected.shape or not torch.equal(
            actual, expected
        )


@every_method
def test_what_is_added_is_where_the_encoder_is(name):
    """Its device, whatever the default is."""
    adapted = METHODS[name].adapt(tiny_ast().to("meta"))
    tensors = {**adapted.state_dict(), **dict(adapted.named_buffers())}
    assert {k for k, x in tensors.items() if not x.is_meta} == set()


@every_method
def test_what_trains_and_what_does_not(name):
    """All that should train has a gradient; the rest stays bit-identical."""
    adapted = METHODS[name].adapt(tiny_ast()).train()
    before = {n: p.detach().clone() for n, p in adapted.named_parameters()}
    moved = two_steps(adapted)
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert trained and moved == trained
    for n, parameter in adapted.named_parameters():
        assert torch.equal(parameter, before[n]) == (n not in trained)


@every_method
def test_only_what_is_declared_trains(name):
    """All that a wrapper adds, and of the encoder what `train` names."""
    encoder = tiny_ast()
    pretrained = {id(p): n for n, p in encoder.named_parameters()}
    for parameter in METHODS[name].adapt(encoder).parameters():
        own = pretrained.get(id(parameter))
        declared = own is None or any(
            fnmatch(own, glob) for glob in METHODS[name].train
        )
        assert parameter.requires_grad == declared


@every_method
def test_state_round_trip_is_bit_equal(name):
    """After training, BatchNorm statistics included."""
    adapted = METHODS[name].adapt(tiny_ast(seed=0)).train()
    two_steps(adapted)
    state = {n: v.clone() for n, v in adapted.adapter_state().items()}
    other = METHODS[name].adapt(tiny_ast(seed=0)).train()
    loss_of(other)  # moves the statistics of the other one
    other.load_adapter_state(state)
    expected = adapted.eval()(spectrograms(2))
    assert torch.equal(other.eval()(spectrograms(2)), expected)


@every_method
def test_evaluation_is_per_clip(name):
    """In evaluation, a clip's tokens do not depend on the batch."""
    adapted = METHODS[name].adapt(tiny_ast()).train()
    two_steps(adapted)
    adapted.eval()
    together = adapted(spectrograms(3))[:1]
    alone = adapted(spectrograms(3)[:1])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


@every_method
def test_bfloat16_autocast_is_finite(name):
    """A step under autocast, as fit() does it."""
    adapted = METHODS[name].adapt(tiny_ast()).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(adapted)
    loss.backward()
    assert loss.isfinite()
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all()


@every_method
def test_gradient_checkpointing_changes_no_gradient(name):
    """With and without kept activations."""
    gradients = []
    for checkpointing in (False, True, "selective"):
        encoder = tiny_ast(gradient_checkpointing=checkpointing)
        torch.manual_seed(1)
        adapted = METHODS[name].adapt(encoder).train()
        torch.manual_seed(2)  # the same dropout
        loss_of(adapted).backward()
        gradients.append({n: p.grad for n, p in adapted.named_parameters()})
    for recomputed in gradients[1:]:
        torch.testing.assert_close(recomputed, gradients[0])


SAVING = {True: 0.35, "selective": 0.75}  # of what is kept without


@pytest.mark.parametrize(
    "name", ["lora", "bottleneck", "full", "linear", "weighted_layers"]
)
def test_gradient_checkpointing_keeps_less(name):
    """Nor what an adapter computes; without such blocks, no more."""
    x, most = torch.randn(8, 64, 128), {}
    for level in (False, *SAVING):
        encoder = AST((64, 12, 2), frames=64, gradient_checkpointing=level)
        adapted = METHODS[name].adapt(encoder).train()
        most[level] = live_tensors(lambda a=adapted: a(x).sum().backward())
    learns = name not in ("linear", "weighted_layers")
    for level, share in SAVING.items():
        assert most[level] <= (share if learns else 1) * most[False], level


@daily_methods
def test_compile_captures_one_graph(name):
    """torch.compile(fullgraph=True), forward and backward."""
    torch._dynamo.reset()
    adapted = METHODS[name].adapt(tiny_ast()).train()
    compiled = torch.compile(adapted, fullgraph=True, backend="eager")
    torch.manual_seed(2)
    expected = adapted(spectrograms())
    torch.manual_seed(2)
    actual = compiled(spectrograms())
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    actual.sum().backward()


@every_method
def test_composes_with_lora_inside(name):
    """LoRA on the projections that the method leaves free, and merge()."""
    method = METHODS[name]
    wrap = dict(method.wrap_of())
    taken = "|".join(wrap).split("|")
    for site in ("attn.qkv", "attn.proj", "mlp.fc1"):
        free = not any(fnmatch(f"blocks.0.{site}", glob) for glob in taken)
        if free and "targets" not in str(wrap):
            wrap[f"blocks.*.{site}"] = partial(LoRA, rank=2)
    adapted = AdaptedEncoder(tiny_ast(), wrap, method.train).train()
    # LoRA in a layer that an ablation silences at first needs a third step
    moved = two_steps(adapted, steps=3)
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert moved == trained
    expected = adapted.eval()(spectrograms())
    actual = adapted.merge().eval()(spectrograms())
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_batch_norm_learns_in_training_only():
    """The statistics of a conformer's BatchNorm."""
    adapted = METHODS["conformer"].adapt(tiny_ast()).train()
    norm = next(m for m in adapted.modules() if isinstance(m, nn.BatchNorm1d))
    before = norm.running_mean.clone()
    loss_of(adapted)
    trained = norm.running_mean.clone()
    assert not torch.equal(trained, before)
    loss_of(adapted.eval())
    assert torch.equal(norm.running_mean, trained)


@daily_methods
def test_overfits_eight_clips(name):
    """With a classifier on the mean token."""
    torch.manual_seed(0)
    adapted = METHODS[name].adapt(tiny_ast()).train()
    model = nn.ModuleList([adapted, nn.Linear(32, 8)])
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.01)
    for _ in range(300):
        logits = model[1](adapted(spectrograms(8)).mean(1))
        loss = nn.functional.cross_entropy(logits, torch.arange(8))
        if loss < 0.2:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.2  # chance is 2.1
