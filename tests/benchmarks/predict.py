"""How long a step would take on an H100, from two rates measured on one.

Each kernel takes as long as its products or its bytes need, whichever is more.
Launching is not in it: the number of kernels says what that adds.
"""

import torch

from .counting import counted
from .rows_step import CHECKPOINTING
from .subjects import BASE, MAKERS, METHODS, encoder_of

PRODUCTS = 798e12  # FLOP/s of a bf16 product of 8192 by 8192, on an H100
COPIES = 3.0e12  # bytes/s read and written, on the same
TF32, FP32 = PRODUCTS / 2, 67e12  # FLOP/s, as NVIDIA's data sheet has them
BATCH = 32
AS_RELEASED = "the papers' layout, fp32"  # torch's default: without TF32
SUBJECTS = {  # name -> maker, precision
    "ours": ("ours", "bf16"),
    **{name: (name, "bf16") for name in CHECKPOINTING},
    **{name: (name, "bf16") for name in METHODS if name != "lora"},
    "HF + PEFT, sdpa": ("hf sdpa", "bf16"),
    "the papers' layout, TF32": ("papers", "fp32"),
    AS_RELEASED: ("papers", "fp32"),
}


def seconds(calls, fp32=TF32):
    """Of kernels one after the other; of them, those that bytes bound."""
    times = [(call_seconds(call, fp32), call) for call in calls]
    bound = sum(t for t, call in times if t > product_seconds(call, fp32))
    return sum(t for t, _ in times), bound


def product_seconds(call, fp32=TF32):
    """What its products need, with so many FLOP/s of those in fp32."""
    return call.flops / (PRODUCTS if call.dtype == torch.bfloat16 else fp32)


def call_seconds(call, fp32=TF32):
    """What a kernel needs."""
    return max(product_seconds(call, fp32), call.bytes / COPIES)


def fused(calls):
    """As torch.compile would have it: what is no product, in runs of one kernel.

    Such a run reads what was made before it, and writes what is read after it.
    """
    last_read = {}
    for number, call in enumerate(calls):
        for memory in call.read:
            last_read[memory] = number
    made, run = [], []
    for number, call in enumerate([*calls, None]):
        if call is not None and not call.product:
            run.append(call)
            continue
        if run:
            made.append(merged(run, number, last_read))
            run = []
        made += [call] if call is not None else []
    return made


def merged(run, end, last_read):
    """One kernel for several."""
    read, written = {}, {}
    for call in run:
        read |= {k: n for k, n in call.read.items() if k not in written}
        written |= call.written
    kept = {k: n for k, n in written.items() if last_read.get(k, end) >= end}
    return type(run[0])("fused", 0, run[0].dtype, read, kept)


def prediction(name, blocks=BASE[1], batch=BATCH):
    """A row of the table."""
    maker, precision = SUBJECTS[name]
    model = MAKERS[maker](encoder_of((BASE[0], blocks, BASE[2])))
    counter = counted(model, batch, precision)
    fp32 = FP32 if name == AS_RELEASED else TF32
    eager, bound = seconds(counter.calls, fp32)
    together = fused(counter.calls)
    compiled, _ = seconds(together, fp32)
    return {
        "step": name,
        "TFLOP": sum(call.flops for call in counter.calls) / 1e12,
        "GB": sum(call.bytes for call in counter.calls) / 1e9,
        "kernels": len(counter.calls),
        "memory": counter.most / 1e9,
        "eager": eager * 1000,
        "bound": bound / eager,
        "compiled": compiled * 1000,
        "fused": len(together),
    }


HEAD = (
    "| step | TFLOP | GB moved | kernels | GB at once | ms | bound by bytes | "
    "ms, compiled | kernels, compiled | share of the product rate |"
)


def line(row):
    """A row in markdown."""
    share = row["TFLOP"] * 1e12 / (row["compiled"] / 1000) / PRODUCTS
    return (
        f"| {row['step']} | {row['TFLOP']:.2f} | {row['GB']:.1f} | "
        f"{row['kernels']} | {row['memory']:.2f} | {row['eager']:.1f} | "
        f"{row['bound']:.0%} | {row['compiled']:.1f} | {row['fused']} | "
        f"{share:.0%} |"
    )


def predict(options):
    """Print the table."""
    blocks, batch = (2, 4) if options.quick else (BASE[1], BATCH)
    print(
        f"predicted, not measured: AST-base, {blocks} blocks, 500 frames, batch "
        f"{batch}, from {PRODUCTS / 1e12:.0f} TFLOP/s of bf16 products and "
        f"{COPIES / 1e12:.1f} TB/s\n"
    )
    print(HEAD)
    print("|---" * HEAD.count(" | ") + "|---|")
    rows = {}
    for name in SUBJECTS:
        rows[name] = row = prediction(name, blocks, batch)
        print(line(row), flush=True)
    compare(rows, batch)
    return rows


def compare(rows, batch):
    """Print what is wanted of a GPU, as predicted."""
    ours, theirs = rows["ours"], rows["HF + PEFT, sdpa"]
    papers = rows[AS_RELEASED]
    print()
    for what, value in {
        "clips a second, LoRA": batch / ours["eager"] * 1000,
        "clips a second, LoRA, compiled": batch / ours["compiled"] * 1000,
        "HF + PEFT / ours": theirs["eager"] / ours["eager"],
        "HF + PEFT / ours, both compiled": theirs["compiled"]
        / ours["compiled"],
        "the papers' layout / ours": papers["eager"] / ours["eager"],
    }.items():
        print(f"{what}: {value:,.2f}")
    for name in ("ours", *CHECKPOINTING):
        memory = rows[name]["memory"] / theirs["memory"]
        speed = theirs["eager"] / rows[name]["eager"]
        print(f"{name}: memory {memory:.2f}, speed {speed:.2f} of HF + PEFT")
    for name in METHODS:
        if name != "lora":
            ratio = rows[name]["compiled"] / ours["compiled"]
            print(f"{name} / LoRA, compiled: {ratio:.2f}")
