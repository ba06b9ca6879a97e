"""The engine: globs, freezing, checkpoints, merging."""

from functools import partial

import pytest
import torch
from speechbrain_petl import AST, AdaptedEncoder, InputError, LoRA
from torch import nn

from speechbrain.utils.checkpoints import Checkpointer

QKV = "blocks.*.attn.qkv"


def tiny():
    torch.manual_seed(0)
    return AST((32, 2, 2), frames=48)


def lora(**options):
    return {QKV: partial(LoRA, rank=2, **options)}


def moved(adapted):
    """Let every trainable parameter differ from its start."""
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return adapted


@pytest.mark.parametrize(
    "wrap, train, words",
    [
        (None, ["nrom.*"], ["train", "'nrom.*'", "norm.*"]),
        (None, "norm.*", ["train", "['norm.*']"]),
        ({"block.*.attn": LoRA}, [], ["wrap", "'block.*.attn'", "nothing"]),
        ({"blocks.*": LoRA}, [], ["blocks.0 and blocks.0.", "crosses dots"]),
        (
            {QKV: LoRA, "*.1.attn.qkv": LoRA},
            [],
            ["blocks.1.attn.qkv", QKV, "once"],
        ),
    ],
)
def test_wrong_globs(wrap, train, words):
    with pytest.raises(InputError) as error:
        AdaptedEncoder(tiny(), wrap, train)
    assert all(word in str(error.value) for word in words)


def test_only_what_is_declared_trains():
    adapted = AdaptedEncoder(tiny(), lora(), ["norm.*", "blocks.0.norm1.*"])
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert trained == {
        *(f"encoder.norm.{w}" for w in ("weight", "bias")),
        *(f"encoder.blocks.0.norm1.{w}" for w in ("weight", "bias")),
        *(
            f"encoder.blocks.{block}.attn.qkv.{matrix}"
            for block in (0, 1)
            for matrix in ("down", "up")
        ),
    }


def test_numbers_count_from_the_end_too():
    """Whatever the depth; a name without a number is as it was."""
    for depth in (2, 12):
        encoder = AST((32, depth, 2), frames=64)
        globs = ["blocks.-1.norm1.*|blocks.-2.norm2.bias", "norm.*"]
        adapted = AdaptedEncoder(encoder, {"blocks.-1.attn.qkv": LoRA}, globs)
        trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
        last = f"encoder.blocks.{depth - 1}"
        assert trained == {
            *(f"{last}.norm1.{w}" for w in ("weight", "bias")),
            *(f"{last}.attn.qkv.{matrix}" for matrix in ("down", "up")),
            f"encoder.blocks.{depth - 2}.norm2.bias",
            *(f"encoder.norm.{w}" for w in ("weight", "bias")),
        }
    with pytest.raises(InputError, match="'blocks.-13.norm1.*' matches no"):
        AdaptedEncoder(AST((32, 12, 2)), train=["blocks.-13.norm1.*"])


def test_checkpoint_is_what_changed(tmp_path):
    first = moved(AdaptedEncoder(tiny(), lora(), ["norm.*"]))
    checkpointer = Checkpointer(tmp_path, {"encoder": first})
    checkpointer.save_checkpoint()
    size = next(tmp_path.glob("*/encoder.ckpt")).stat().st_size
    trained = sum(p.numel() for p in first.parameters() if p.requires_grad)
    assert 4 * trained < size < 4 * trained + 4000
    second = AdaptedEncoder(tiny(), lora(), ["norm.*"])
    x = torch.randn(2, 48, 128)
    assert not torch.equal(first(x), second(x))
    Checkpointer(tmp_path, {"encoder": second}).recover_if_possible()
    assert torch.equal(first(x), second(x))


def test_checkpoint_of_another_method_is_refused(tmp_path):
    adapted = AdaptedEncoder(tiny(), lora(), ["norm.*"])
    state = adapted.adapter_state()
    for other, words in (
        (AdaptedEncoder(tiny(), None, ["norm.*"]), "is not known here"),
        (AdaptedEncoder(tiny(), lora(), ["*.bias"]), "is missing"),
        (
            AdaptedEncoder(tiny(), {QKV: partial(LoRA, rank=3)}, ["norm.*"]),
            r"has shape \(1, 2, 32\), not \(1, 3, 32\)",
        ),
    ):
        with pytest.raises(InputError, match=words):
            other.load_adapter_state(state, "here.ckpt")


def test_frozen_batchnorm_stays_frozen():
    encoder = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    adapted = AdaptedEncoder(encoder, train=["0.bias"]).train()
    before = encoder[1].running_mean.clone()
    adapted(torch.randn(8, 4) + 3)
    assert torch.equal(encoder[1].running_mean, before)
    trained = AdaptedEncoder(encoder, train=["1.*"]).train()
    trained(torch.randn(8, 4) + 3)
    assert not torch.equal(encoder[1].running_mean, before)


@pytest.mark.parametrize("parts", [None, "q", "qv", "vk", "qkv"])
def test_merge_leaves_a_plain_encoder(parts):
    adapted = moved(AdaptedEncoder(tiny(), lora(parts=parts), ["norm.*"]))
    x = torch.randn(2, 48, 128)
    before = adapted(x)
    plain = adapted.merge()
    assert (plain(x) - before).abs().max() < 1e-5
    assert plain.state_dict().keys() == tiny().state_dict().keys()
    assert not any(isinstance(m, LoRA) for m in plain.modules())


def test_lora_is_the_formula():
    linear = nn.Linear(6, 18)
    layer = LoRA(linear, rank=2, alpha=8, parts="qv")
    nn.init.normal_(layer.up)
    x = torch.randn(3, 6)
    expected = linear(x)
    for part, start in enumerate((0, 12)):
        update = x @ layer.down[part].T @ layer.up[part].T * 8 / 2
        expected[:, start : start + 6] += update
    assert torch.allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize("parts", ["", "qx", "qq"])
def test_wrong_parts(parts):
    with pytest.raises(InputError, match="letters q, k, v"):
        LoRA(nn.Linear(6, 18), parts=parts)


def test_nothing_is_kept_below_the_lowest_trainable_site():
    """No graph through the patch embedding and the frozen first block."""
    wrap = {"blocks.1.attn.qkv": partial(LoRA, rank=2)}
    adapted = AdaptedEncoder(tiny(), wrap)
    seen = []
    hook = lambda module, args, out: seen.append(out.requires_grad)  # noqa: E731
    adapted.encoder.blocks[0].register_forward_hook(hook)
    adapted.encoder.blocks[1].register_forward_hook(hook)
    adapted(torch.randn(2, 48, 128))
    assert seen == [False, True]
