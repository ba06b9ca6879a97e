"""Every configuration of the papers' released modules, formula by formula.

Logits and gradients of ours equal those of tests/helpers/released.py. Run this file
with -s to see the table.
"""

import itertools
from functools import partial

import pytest
import released
import torch
from checkpoints import randomise
from speechbrain_petl import (
    AST,
    AdaptedEncoder,
    Adapter,
    Bottleneck,
    ConformerConvolution,
    Convpass,
    DenseMoA,
    LoRA,
    NormLinear,
    Pooling,
    Prefix,
    Prompt,
    SoftMoA,
    load_pretrained,
)
from torch.nn import functional as F

SIZE, FRAMES, MELS = (32, 2, 2), 64, 48
TOKENS = 4
SITES = {"FFN": ["mlp"], "MHSA": ["attn"], "Houlsby": ["attn", "mlp"]}
BLOCKS = {  # name -> ours, theirs
    "bottleneck": (partial(Bottleneck, width=4), released.bottleneck),
    "conformer 31": (
        partial(ConformerConvolution, width=4, kernel=31),
        released.conformer,
    ),
    "conformer 8": (
        partial(ConformerConvolution, width=4, kernel=8),
        released.conformer,
    ),
    "convpass": (
        partial(Convpass, width=4, activation="quick_gelu", dropout=0.1),
        released.convpass,
    ),
}
OURS = {  # name of a place -> arguments of Adapter
    "parallel": {},
    "parallel, residual": {"residual": True},
    "sequential": {"where": "after", "residual": False},
    "sequential, residual": {"where": "after"},
    "parallel before": {},
    "parallel after": {"where": "after"},
    "sequential before": {"where": "before", "residual": "around"},
    "sequential after": {"where": "after"},
}
MAIN, ABLATION = list(OURS)[:4], list(OURS)[4:]
POOLINGS = {  # of prompts in front, without the distillation token
    "CLS": ("cls", lambda x, n: x[:, 0]),
    "ALL": ("all", lambda x, n: x.mean(1)),
    "PROMPTS": ("prompts", lambda x, n: x[:, 1 : n + 1].mean(1)),
    "SPEECH": ("patches", lambda x, n: x[:, 1 + n :].mean(1)),
    "PROMPTS+SPEECH": ("prompts+patches", lambda x, n: x[:, 1:].mean(1)),
}


def adapted(place, block, sites):
    """Method and formula of an adapter."""
    ours, formula = block
    wrapper = partial(Adapter, block=ours, **OURS[place])
    wrap = {f"blocks.*.{site}": wrapper for site in sites}
    names = [f"blocks.*.norm{1 if s == 'attn' else 2}.*" for s in sites]
    how = {"place": place, "formula": formula, "sites": sites}
    return {"wrap": wrap, "train": [*names, "norm.*"]}, lambda block: how


def lora(parts, out=False, scale=2.0):
    make = partial(LoRA, rank=3, alpha=3 * scale)
    wrap = {"blocks.*.attn.qkv": partial(make, parts=parts)}
    if out:
        wrap["blocks.*.attn.proj"] = make
    how = {"lora": (parts, scale)}
    return {"wrap": wrap, "train": ["norm.*"]}, lambda block: how


def prefix(tokens):
    wrap = {"blocks.*.attn": partial(Prefix, tokens=tokens)}

    def how(block):
        return {"prefix": block.attn.pretrained_module.qkv.rows}

    return {"wrap": wrap, "train": ["norm.*"]}, how


def nothing(block):
    return {}


def cases():
    """Name -> (petl, formula of a layer), pooled as ALL."""
    found = {}
    for name, block in BLOCKS.items():
        for site, sites in SITES.items():
            for place in MAIN:
                found[f"{name}, {place}, {site}"] = adapted(place, block, sites)
    for name in ("bottleneck", "conformer 31", "conformer 8"):
        for site in ("FFN", "MHSA"):
            for place in ABLATION:
                found[f"ablation: {name}, {place}, {site}"] = adapted(
                    place, BLOCKS[name], SITES[site]
                )
    for parts in ("q", "qk", "qv", "qkv"):
        for scale in (8 / 64, 16 / 6):
            found[f"LoRA {parts}, scale {scale:.3f}"] = lora(parts, scale=scale)
    found["LoRA qkv and output"] = lora("qkv", out=True)
    for expert in ("bottleneck", "convpass"):
        ours, formula = BLOCKS[expert]
        for site, sites in SITES.items():
            mixture = partial(DenseMoA, expert=ours, experts=3)
            block = mixture, released.dense(formula)
            found[f"Dense-MoA, {expert}, {site}"] = adapted(
                "parallel", block, sites
            )
            for slots in (1, 2):
                for normalise in (False, True, "released"):
                    mixture = partial(
                        SoftMoA,
                        expert=ours,
                        experts=3,
                        slots=slots,
                        normalise=normalise,
                    )
                    block = mixture, released.soft(formula, normalise)
                    found[
                        f"Soft-MoA, {expert}, {site}, {slots} slots, "
                        f"normalise {normalise}"
                    ] = adapted("parallel", block, sites)
    found["prefix"] = prefix(4)
    found["linear"] = {"train": ["norm.*"]}, nothing
    found["full"] = {"train": ["*"]}, nothing
    biases = {"train": ["*norm*.bias", "*.attn.*.bias", "*.mlp.*.bias"]}
    found["BitFit"] = biases, nothing
    return found


CASES = cases()


def small(**options):
    torch.manual_seed(0)
    return AST(SIZE, mels=MELS, frames=FRAMES, **options)


def ready(encoder, petl):
    """In evaluation, with no tensor at its start; and a spectrogram."""
    model = randomise(AdaptedEncoder(encoder, **petl))
    generator = torch.Generator().manual_seed(3)
    for buffer in model.buffers():
        if buffer.is_floating_point():  # statistics of BatchNorm
            buffer.copy_(1 + torch.rand(buffer.shape, generator=generator))
    return model, torch.randn(2, FRAMES, MELS, generator=generator)


def check(name, model, ours, theirs):
    """Logits, and the gradients of all that trains."""
    trained = {k: p for k, p in model.named_parameters() if p.requires_grad}
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    assert trained and ours.std() > 1e-2
    generator = torch.Generator().manual_seed(4)
    loss = torch.randn(ours.shape, generator=generator)
    first, second = (
        torch.autograd.grad((y * loss).sum(), list(trained.values()))
        for y in (ours, theirs)
    )
    worst = 0.0
    for key, one, other in zip(trained, first, second):
        size = max(float(other.abs().max()), 1e-3)
        error = float((one - other).abs().max()) / size
        assert error < 1e-3, (name, key, error)
        worst = max(worst, error)
    difference = float((ours - theirs).detach().abs().max())
    print(f"{name:<70} {difference:.0e}  gradients {worst:.0e}")


@pytest.mark.parametrize("name", CASES)
def test_method(name):
    petl, how = CASES[name]
    encoder = small()
    model, x = ready(encoder, petl)
    h = released.embed(encoder, x)
    for block in encoder.blocks:
        h = released.layer(h, block, **how(block))
    theirs = released.norm(h, encoder.norm).mean(1)
    check(name, model, Pooling("all")(model(x)), theirs)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("deep", [False, True])
def test_prompt(pooling, deep):
    """In front there, behind here; the distillation token is dropped."""
    wrap = {"blocks": partial(Prompt, tokens=TOKENS, keep=True)}
    if deep:
        wrap["blocks.1"] = partial(
            Prompt, tokens=TOKENS, keep=True, replace=True
        )
    encoder = small(distillation=False)
    model, x = ready(encoder, {"wrap": wrap, "train": ["norm.*"]})
    stack = encoder.blocks
    h = released.embed(encoder, x)
    first = stack.prompts.expand(2, -1, -1)
    h = torch.cat([h[:, :1], first, h[:, 2:]], 1)
    for number, block in enumerate(stack.pretrained_module):
        if number and deep:
            rows = block.prompts.expand(2, -1, -1)
            h = torch.cat([h[:, :1], rows, h[:, 1 + TOKENS :]], 1)
        h = released.layer(h, released.plain(block))
    mode, theirs = POOLINGS[pooling]
    ours = Pooling(mode, class_tokens=1, prompts=TOKENS)(model(x))
    theirs = theirs(released.norm(h, encoder.norm), TOKENS)
    check(
        f"prompt, {'deep' if deep else 'shallow'}, {pooling}",
        model,
        ours,
        theirs,
    )


@pytest.mark.parametrize("name", ["linear", "full"])
def test_class_token_alone(name):
    """final_output: CLS is token 0, class_tokens: 1 here."""
    petl, how = CASES[name]
    encoder = small()
    model, x = ready(encoder, petl)
    h = released.embed(encoder, x)
    for block in encoder.blocks:
        h = released.layer(h, block)
    theirs = released.norm(h, encoder.norm)[:, 0]
    check(
        f"{name}, CLS", model, Pooling("cls", class_tokens=1)(model(x)), theirs
    )


def test_what_the_released_normalisation_changes():
    """Docs say how much; here, that it is not nothing."""
    torch.manual_seed(0)
    x = torch.randn(2, 20, 32)
    mixtures = [
        SoftMoA(32, partial(Bottleneck, width=4), experts=3, normalise=n)
        for n in (True, "released")
    ]
    randomise(mixtures[0])
    mixtures[1].load_state_dict(mixtures[0].state_dict())
    ours, theirs = (m(x) for m in mixtures)
    assert 0.001 < (ours - theirs).norm() / ours.norm()


def crop_or_stretch(grid, size):
    """The original's rule for a table (1, dim, mel, frame)."""
    for dim in (3, 2):
        old, new = grid.shape[dim], size[dim - 2]
        if new <= old:
            grid = grid.narrow(dim, old // 2 - new // 2, new)
        else:
            shape = list(grid.shape[2:])
            shape[dim - 2] = new
            grid = F.interpolate(grid, shape, mode="bilinear")
    return grid


OFFICIAL = [  # table of base384 or of AudioSet, frames, stride
    *itertools.product(["384"], [1024, 500, 128], [10, 16]),
    # with another stride it takes columns of places 10 apart: see docs
    *itertools.product(["AudioSet"], [1024, 500, 128, 1500], [10]),
]


@pytest.mark.parametrize("table, frames, stride", OFFICIAL)
def test_official_ast(table, frames, stride, tmp_path):
    """Class tokens averaged, LayerNorm, Linear; all weights train."""
    rows, columns = (24, 24) if table == "384" else (12, 101)
    encoder = AST(SIZE, frames=frames, fstride=stride, tstride=stride)
    positions = torch.randn(1, 2 + rows * columns, 32)
    state = {**encoder.state_dict(), "pos_embed": positions}
    if table == "384":  # of an image in colours
        conv = "patch_embed.proj.weight"
        state[conv] = state[conv].repeat(1, 3, 1, 1) / 3
    torch.save(state, tmp_path / "weights.pth")
    load_pretrained(encoder, tmp_path / "weights.pth")
    grid = positions[:, 2:].mT.unflatten(2, (rows, columns))
    grid = crop_or_stretch(grid, encoder.grid).flatten(2).mT
    expected = torch.cat([positions[:, :2], grid], 1)
    # ours is interpolated in double precision
    torch.testing.assert_close(
        encoder.pos_embed.data, expected, atol=1e-4, rtol=0
    )
    model = AdaptedEncoder(encoder, train=["*"]).eval()
    head = randomise(NormLinear(32, 5))
    x = torch.randn(1, frames, 128)
    h = released.embed(encoder, x)
    for block in encoder.blocks:
        h = released.layer(h, block)
    h = released.norm(h, encoder.norm)
    theirs = released.linear(
        released.norm((h[:, 0] + h[:, 1]) / 2, head[0]), head[1]
    )
    ours = head(Pooling("cls")(model(x)))
    check(
        f"official AST, {table}, {frames}, stride {stride}", model, ours, theirs
    )


def test_there_are_a_hundred():
    assert len(CASES) + 2 * len(POOLINGS) + 2 + len(OFFICIAL) >= 100
