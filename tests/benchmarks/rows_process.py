"""Rows of the table: what needs processes of its own, and files."""

import json
import os
import tempfile
from pathlib import Path

import torch

from .measure import elsewhere
from .rows_step import CHECKPOINTED, SELECTIVE, row
from .subjects import BASE, MAKERS, encoder_of

KINDS = {  # of memory; the allocator keeps more than live tensors need
    "peak": "all",
    "steps": "beyond the model",
    "tensors": "live tensors",
}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone")


def child(*arguments, environment=None):
    """What the child measured."""
    return json.loads(elsewhere(arguments, environment)[0])


def memory(options):
    """Peak memory of LoRA, without and with gradient checkpointing.

    The allocator as a Brain sets it: see loop.py. The peer has the better one
    of the two settings for speed, which keeps large blocks.
    """
    wanted = {
        "ours": "<= 0.8",
        SELECTIVE: "",
        CHECKPOINTED: "<= 0.4",
    }
    size = options.blocks, options.batch
    theirs = child("memory", "hf sdpa", *size)
    rows = []
    for name, aim in wanted.items():
        ours = child("memory", name, *size, chosen(name))
        for key, what in KINDS.items():
            note = f"{ours[key] / 2**20:.0f} / {theirs[key] / 2**20:.0f} MiB"
            title = f"peak memory, {what}: {name} / hf sdpa"
            rows.append(row(title, ours[key] / theirs[key], aim, note))
    if options.device == "cuda":
        return rows
    smaller = child("memory", "hf sdpa", *size, "return")["peak"]
    note = f"{ours['peak'] / 2**20:.0f} / {smaller / 2**20:.0f} MiB"
    title = f"peak memory, all: {name} / hf sdpa, which returns blocks"
    return [*rows, row(title, ours["peak"] / smaller, "", note)]


def chosen(name):
    """What a Brain tells the allocator."""
    return "return" if name == CHECKPOINTED else "keep"


def allocator(options):
    """A step as it comes: a Brain sets the allocator, the peers do not."""
    blocks, batch = min(options.blocks, 2), options.batch
    clean = {k: v for k, v in os.environ.items() if "MALLOC" not in k}
    subjects = [
        (name, how)
        for name in ("ours", "hf sdpa")
        for how in ("keep", "as it comes")
    ]
    subjects += [(CHECKPOINTED, how) for how in ("keep", "return")]
    found = {}
    for _ in range(3):  # in turn
        for name, how in subjects:
            arguments = ("steps", name, blocks, batch, how)
            took = child(*arguments, environment=clean)["seconds"]
            found[name, how] = min(took, found.get((name, how), took))
    ours = found["ours", "keep"]
    note = f"{blocks} blocks, batch {batch}, best of 3 processes each"
    plain = found["ours", "as it comes"] / ours
    theirs = found["hf sdpa", "as it comes"] / ours
    rows = [
        row("step, allocator as it comes / set: ours", plain, "", note),
        row("step, both as they come: hf sdpa / ours", theirs, "", note),
    ]
    for how in ("keep", "return"):
        name = f"step, {how} blocks: {CHECKPOINTED} / without"
        rows.append(row(name, found[CHECKPOINTED, how] / ours, "", note))
    return rows


def start(options):
    """From nothing to a model that can train."""
    walls = {}
    for name in ("ours", "hf") * 3:
        wall = elsewhere(("start", name))[1]
        walls[name] = min(wall, walls.get(name, wall))
    note = f"{walls['hf']:.1f} s / {walls['ours']:.1f} s, the best of three"
    return [row("start-up: hf / ours", walls["hf"] / walls["ours"], "", note)]


def bytes_kept(options):
    """What is kept of a LoRA run on the base size."""
    encoder = encoder_of(BASE)
    ours, theirs = MAKERS["ours"](encoder), MAKERS["hf sdpa"](encoder)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ours.pt"
        state = {**ours.encoder.adapter_state(), **ours.head.state_dict()}
        torch.save(state, file)
        theirs.model.save_pretrained(folder)
        peft = Path(folder) / "adapter_model.safetensors"
        sizes = file.stat().st_size, peft.stat().st_size
    whole = sum(4 * p.numel() for p in encoder.parameters())
    note = f"{sizes[1]} / {sizes[0]} bytes"
    return [
        row("checkpoint: PEFT / ours", sizes[1] / sizes[0], "", note),
        row("checkpoint: whole encoder / ours", whole / sizes[0]),
    ]


def processes(options):
    """Two processes of one thread each against one process of one thread."""
    import subprocess
    import sys

    blocks, batch = min(options.blocks, 2), 4
    one = child("processes", blocks, batch)["clips"]
    command = [sys.executable, "-W", "ignore", *TORCHRUN, "--nproc_per_node=2"]
    command += ["-m", "tests.benchmarks.child", "processes"]
    done = subprocess.run(
        [*command, str(blocks), str(batch)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    two = json.loads(done.stdout.strip().splitlines()[-1])["clips"]
    note = f"{two:.2f} / (2 * {one:.2f}) clips/s, {blocks} blocks, DDP on gloo"
    return [row("two processes / twice one", two / one / 2, ">= 0.85", note)]
