"""Rows of the table: training steps and inference."""

from functools import partial

import torch
from speechbrain_petl import Whisper
from speechbrain_petl.lobes.merge_tokens import merge_tokens
from speechbrain_petl.training.precision import emulates_bf16

from .measure import Product, in_turn, release, seconds, step_flops
from .subjects import BASE, MAKERS, METHODS, Adapted, Ours, Trainer, encoder_of

PEERS = ("hf sdpa", "hf eager", "papers")
SELECTIVE, CHECKPOINTED = (
    "ours, checkpointing selective",
    "ours, checkpointing",
)
CHECKPOINTING = (SELECTIVE, CHECKPOINTED)
QUICK = 96  # numbers of a token
RELEASED = "papers in fp32, as released"


def trainers(names, size, batch, device, precision="fp32"):
    """Name -> Trainer, all with the same weights."""
    encoder = encoder_of(size)
    return {
        name: Trainer(MAKERS[name](encoder), batch, device, precision)
        for name in names
    }


def size_of(options, blocks):
    """AST-base, of so many blocks; narrow where all is only tried."""
    return (QUICK if options.quick else BASE[0]), blocks, BASE[2]


def row(name, ratio, wanted="", note=""):
    """A line of the table."""
    return {"row": name, "ratio": ratio, "wanted": wanted, "note": note}


def against(kind, times, peers, wanted, note):
    """How many times faster than each peer ours is."""
    rows = []
    best = min(peers, key=times.get)
    for peer in peers:
        rows.append(
            row(
                f"{kind}: {peer} / ours",
                times[peer] / times["ours"],
                wanted if peer == best else "",
                f"{times[peer]:.2f} s / {times['ours']:.2f} s, {note}",
            )
        )
    return rows


def tokens_of(trainer):
    """Length of the sequence."""
    return trainer.model.encoder.encoder.pos_embed.shape[1]


def with_product(subjects, dtype, options):
    """Median seconds of each step; rate of a large product in the same turns."""
    product = Product(dtype, options.device, 512 if options.quick else 4096)
    steps = {name: subject.step for name, subject in subjects.items()}
    times = in_turn({**steps, "product": product}, options.rounds)
    return times, product.flops / times.pop("product")


def lora_step(options):
    """The LoRA step in fp32 on AST-base, against peers and the ceiling."""
    device, rounds = options.device, options.rounds
    size = size_of(options, options.blocks)
    names = ("ours", *PEERS) if device == "cuda" else ("ours", *PEERS[::2])
    subjects = trainers(names, size, options.batch, device)
    tokens = tokens_of(subjects["ours"])
    times, rate = with_product(subjects, torch.float32, options)
    flops = step_flops(size[0], tokens, options.batch, size[1])
    ceiling = flops / rate
    note = f"{size[1]} blocks, batch {options.batch}, medians of {rounds}"
    rows = against("LoRA step fp32", times, names[1:], ">= 1", note)
    share = ceiling / times["ours"]
    note = f"{flops / 1e12:.2f} TFLOP at {rate / 1e9:.0f} GFLOP/s"
    del subjects
    release()
    return [*rows, row("LoRA step fp32: share of ceiling", share, 0.9, note)]


def whisper_step(options):
    """The LoRA step in fp32 of Whisper tiny on clips of 5 s, and the ceiling."""
    frames, mels, tokens, batch = 500, 80, 250, options.batch
    size = [QUICK, 1, 2] if options.quick else "tiny"
    model = Adapted(Whisper(size, mels=mels))
    trainer = Trainer(model, batch, options.device, shape=(frames, mels))
    dim = trainer.model.head.in_features
    blocks = len(trainer.model.encoder.encoder.blocks)
    times, rate = with_product({"ours": trainer}, torch.float32, options)
    flops = step_flops(dim, tokens, batch, blocks)
    flops += 2 * batch * 3 * dim * (frames * mels + tokens * dim)
    note = (
        f"batch {batch}, {flops / 1e12:.2f} TFLOP at {rate / 1e9:.0f} GFLOP/s"
    )
    share = flops / rate / times["ours"]
    return [row("Whisper's LoRA step fp32: share of ceiling", share, 0.8, note)]


def bf16_step(options):
    """The same in bf16, smaller where a CPU emulates it."""
    device, rounds = options.device, max(options.rounds, 1)
    emulated = device == "cpu" and emulates_bf16()
    blocks, batch = (1, 1) if emulated else (options.blocks, options.batch)
    size = size_of(options, blocks)
    subjects = trainers(("ours", *PEERS), size, batch, device, "bf16")
    subjects[RELEASED] = trainers(["papers"], size, batch, device)["papers"]
    tokens = tokens_of(subjects["ours"])
    if emulated:  # what a Brain does: loop.py, precision.py
        fp32 = trainers(["ours"], size, batch, device)["ours"]
        subjects = {"ours, bf16": subjects.pop("ours"), **subjects}
        subjects["ours"] = fp32
    kind = torch.float32 if emulated else torch.bfloat16
    times, rate = with_product(subjects, kind, options)
    note = f"{blocks} blocks, batch {batch}, medians of {rounds}"
    rows = []
    if emulated:
        note += "; bf16 is emulated here, so ours is in fp32"
        forced = times.pop("ours, bf16")
        best = min(times[peer] for peer in PEERS)
        name = "bf16 emulated: best peer / ours in bf16"
        rows.append(row(name, best / forced, "", "what a Brain avoids"))
    ratio = times.pop(RELEASED) / times["ours"]
    rows.append(
        row(f"LoRA step bf16: {RELEASED} / ours", ratio, ">= 4 on a GPU")
    )
    rows += against("LoRA step bf16", times, PEERS, ">= 1.1", note)
    if not emulated:
        ceiling = step_flops(size[0], tokens, batch, blocks)
        share = ceiling / rate / times["ours"]
        rows.append(row("LoRA step bf16: share of ceiling", share, 0.6))
    del subjects
    release()
    return rows


def compiled(options):
    """The step in bf16 through torch.compile, ours and the best peer's."""
    blocks, batch = options.blocks, options.batch
    size, device = size_of(options, blocks), options.device
    emulated = device == "cpu" and emulates_bf16()  # then in fp32
    kind = torch.float32 if emulated else torch.bfloat16
    precision = "fp32" if emulated else "bf16"
    subjects = trainers(PEERS[:1] + ("ours",), size, batch, device, precision)
    tokens = tokens_of(subjects["ours"])
    for subject in subjects.values():
        backend = "aot_eager" if options.quick else "inductor"
        subject.model = torch.compile(subject.model, backend=backend)
    rounds, first = options.rounds, seconds(subjects["ours"].step)
    times, rate = with_product(subjects, kind, options)
    note = f"{blocks} blocks, batch {batch}, medians of {rounds}"
    title = f"LoRA step {precision}, compiled"
    rows = against(title, times, PEERS[:1], ">= 1.2", note)
    share = step_flops(size[0], tokens, batch, blocks) / rate / times["ours"]
    clips = f"{batch / times['ours']:.0f} clips a second"
    del subjects
    release()
    cost = first - times["ours"]
    return [
        *rows,
        row(f"{title}: share of ceiling", share, 0.45, clips),
        row(f"{title}: seconds to compile", cost, "", f"by {backend}"),
    ]


def methods(options):
    """What other methods cost, and patch dropout, against the LoRA step."""
    blocks = min(options.blocks, 3)
    size = size_of(options, blocks)
    names = [*METHODS, "ours, patch dropout 0.5", *CHECKPOINTING]
    subjects = trainers(names, size, options.batch // 2, options.device)
    times = in_turn({n: s.step for n, s in subjects.items()}, options.rounds)
    lora = times.pop("lora")
    half = times.pop("ours, patch dropout 0.5")
    dearer = {n: times.pop(n) / lora for n in CHECKPOINTING}
    note = f"{blocks} blocks, batch {options.batch // 2}"
    rows = [
        row(f"{n} step / LoRA step", t / lora, "<= 1.25", note)
        for n, t in times.items()
    ]
    rows += [row(f"LoRA step, {n} / without", r) for n, r in dearer.items()]
    note += "; its accuracy: docs/speed.md"
    name = "LoRA step / with patch dropout 0.5"
    del subjects
    release()
    return [*rows, row(name, lora / half, ">= 1.8", note)]


def inference(options):
    """Logits of a batch, and what token merging saves."""
    blocks = min(options.blocks, 4)
    size = size_of(options, blocks)
    names = ("ours", *PEERS)
    subjects = trainers(names, size, options.batch, options.device)
    encoder = encoder_of(size)
    merged = Ours(encoder)
    merge_tokens(merged.encoder, ratio=0.5)
    subjects["merged"] = Trainer(merged, options.batch, options.device)
    functions = {n: s.infer for n, s in subjects.items()}
    times = in_turn(functions, options.rounds + 2)
    merging = times["ours"] / times.pop("merged")
    note = f"{blocks} blocks, batch {options.batch}"
    rows = against("inference fp32", times, PEERS, ">= 1", note)
    name = "inference: ours / with half of the tokens merged"
    del subjects, functions, merged
    release()
    return [
        *rows,
        row(name, merging, "", note + "; its accuracy: docs/speed.md"),
    ]


def mixtures(options):
    """Mixtures of adapters: the experts as one batch against a loop."""
    from speechbrain_petl import DenseMoA, SoftMoA
    from speechbrain_petl.adapters.blocks import Bottleneck
    from speechbrain_petl.adapters.experts import Experts

    x = torch.randn(2, 600, BASE[0], device=options.device, requires_grad=True)
    rows = []
    for kind in (DenseMoA, SoftMoA):
        expert = partial(Bottleneck, width=6)
        batched, loop = kind(BASE[0], expert, 7), kind(BASE[0], expert, 7)
        loop.experts = Experts([expert(dim=BASE[0]) for _ in range(7)])
        functions = {
            name: lambda m=m.to(options.device): m(x).square().mean().backward()
            for name, m in (("batched", batched), ("loop", loop))
        }
        times = in_turn(functions, 4 * options.rounds)
        ratio = times["loop"] / times["batched"]
        rows.append(row(f"{kind.__name__}, 7 experts: loop / batch", ratio))
    return rows
