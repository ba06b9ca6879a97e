"""Rows of the table: what needs processes of its own, and files."""

import json
import os
import tempfile
from pathlib import Path

import torch

from .measure import elsewhere
from .rows_step import row
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
    """Peak memory of LoRA, without and with gradient checkpointing."""
    wanted = {
        "ours": "<= 0.8",
        "ours, checkpointing mlp": "",
        "ours, checkpointing": "<= 0.4",
    }
    found = {
        name: child("memory", name, options.blocks, options.batch)
        for name in ("hf sdpa", *wanted)
    }
    theirs, rows = found.pop("hf sdpa"), []
    for name, ours in found.items():
        for key, what in KINDS.items():
            note = f"{ours[key] / 2**20:.0f} / {theirs[key] / 2**20:.0f} MiB"
            title = f"peak memory, {what}: {name} / hf sdpa"
            rows.append(row(title, ours[key] / theirs[key], wanted[name], note))
    return rows


def allocator(options):
    """A step as it comes: a Brain sets the allocator, the peers do not."""
    blocks, batch = min(options.blocks, 2), options.batch
    clean = {k: v for k, v in os.environ.items() if "MALLOC" not in k}
    found = {}
    for _ in range(3):  # in turn
        for name in ("ours", "hf sdpa"):
            for keep in ("keep", "as it comes"):
                arguments = ("steps", name, blocks, batch, keep)
                took = child(*arguments, environment=clean)["seconds"]
                best = found.get((name, keep), took)
                found[name, keep] = min(took, best)
    ours = found["ours", "keep"]
    note = f"{blocks} blocks, batch {batch}, best of 3 processes each"
    plain = found["ours", "as it comes"] / ours
    theirs = found["hf sdpa", "as it comes"] / ours
    return [
        row("step, allocator as it comes / set: ours", plain, "", note),
        row("step, both as they come: hf sdpa / ours", theirs, "", note),
    ]


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
