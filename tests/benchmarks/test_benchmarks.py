"""The benchmarks' command: its json, and that its subjects are alike."""

import json
import math
import subprocess
import sys

import pytest
import torch
from method_files import ROOT

from benchmarks import __main__ as command
from benchmarks.__main__ import LIBRARIES, ROWS
from benchmarks.counting import Call, counted
from benchmarks.measure import step_flops
from benchmarks.predict import COPIES, PRODUCTS, SUBJECTS, call_seconds, fused
from benchmarks.subjects import MAKERS, Trainer, encoder_of

# rows that take seconds; the others are run by hand
SHORT = [
    "bf16",
    "mixtures",
    "memory",
    "bytes",
    "features",
    "resampling",
    "classify",
]


def test_rows_of_the_table():
    """One for each thing that docs/speed.md promises."""
    assert set(SHORT) < set(ROWS) and len(ROWS) == 17


def test_flops_of_a_step():
    """As a step's products are counted by hand, for one token and block."""
    size, batch, blocks = 64, 2, 3
    one = step_flops(size, 1, batch, blocks)
    weights = 12 * size**2  # qkv, out and the two of the feed-forward
    forward = batch * blocks * (2 * weights + 4 * size)
    back = batch * (blocks * (2 * weights + 8 * size) - 2 * 3 * size**2)
    assert one == forward + back


def test_subjects_train():
    """Each peer updates what it trains, and leaves the rest."""
    for name in ("ours", "hf sdpa", "papers", "ours, patch dropout 0.5"):
        trainer = Trainer(MAKERS[name](encoder_of((32, 2, 2))), 2, "cpu")
        before = [p.detach().clone() for p in trainer.model.parameters()]
        trainer.step()
        trainer.step()
        pairs = list(zip(trainer.model.parameters(), before))
        moved = [not torch.equal(p, old) for p, old in pairs]
        assert moved == [p.requires_grad for p, _ in pairs], name
        count = sum(p.numel() for p, _ in pairs if p.requires_grad)
        # LoRA on q and v of two blocks, the LayerNorm, the head
        assert count == 2 * 2 * 2 * 6 * 32 + 2 * 32 + (32 + 1) * 50 or (
            name == "hf sdpa"  # whose head has a LayerNorm
            and count == 2 * 2 * 2 * 6 * 32 + 4 * 32 + (32 + 1) * 50
        )


@pytest.mark.parametrize("precision, share", [("fp32", 4), ("bf16", 2)])
def test_what_is_counted(precision, share):
    """Products as counted by hand; one copy of a tensor; what is alive."""
    size, batch = (64, 2, 2), 3
    encoder = encoder_of(size)
    tokens = encoder.pos_embed.shape[1]
    counter = counted(MAKERS["ours"](encoder), batch, precision)
    flops = sum(call.flops for call in counter.calls)
    expected = step_flops(size[0], tokens, batch, size[1])
    assert expected < flops < 1.5 * expected  # a tiny one has wide adapters
    (gelu, _) = (call for call in counter.calls if call.name == "gelu")
    assert gelu.bytes == 2 * share * batch * tokens * 4 * size[0]
    kept = batch * tokens * size[0] * share * size[1]
    assert 4 * kept < counter.most < 40 * kept
    checkpointed = counted(
        MAKERS["ours, checkpointing"](encoder), batch, precision
    )
    assert checkpointed.most < counter.most


def test_what_is_fused():
    """Between products; what nobody reads later is not written."""
    half = torch.bfloat16
    calls = [
        Call("mm", 8, half, {"a": 4}, {"b": 4}),
        Call("add", 0, half, {"b": 4, "c": 4}, {"d": 4}),
        Call("mul", 0, half, {"d": 4}, {"e": 4}),
        Call("mm", 8, half, {"e": 4}, {"f": 4}),
    ]
    first, run, last = fused(calls)
    assert (first, last) == (calls[0], calls[3])
    assert run.read == {"b": 4, "c": 4} and run.written == {"e": 4}
    assert call_seconds(run) == 12 / COPIES
    assert call_seconds(Call("mm", PRODUCTS, half)) == 1


@pytest.mark.slow
def test_predict():
    """A row for each subject, and the ratios."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--predict", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name in SUBJECTS:
        assert f"| {name} |" in done.stdout
    assert "HF + PEFT / ours, both compiled: 1." in done.stdout


@pytest.mark.slow
def test_command(tmp_path):
    """Hardware, versions, date; every row a number."""
    path = tmp_path / "benchmarks.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick"]
    done = subprocess.run(
        [*command, "--rounds=1", f"--clips={tmp_path}", f"--json={path}"]
        + ["--only", *SHORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    assert report["date"].startswith("20") and report["cpu"]
    assert report["threads"] >= 1 and "gpu" in report
    assert set(report["versions"]) == set(LIBRARIES)
    groups = [line["group"] for line in report["rows"]]
    assert list(dict.fromkeys(groups)) == SHORT
    for line in report["rows"]:
        assert math.isfinite(line["ratio"]) and line["ratio"] > 0
        assert f"{line['row']:<50}" in done.stdout


def test_rows_of_another_run_are_kept(tmp_path, monkeypatch):
    """Those that are not measured again, on the same machine only."""
    path = tmp_path / "benchmarks.json"

    def measured(value, *only, cpu="a"):
        def rows(options):
            return [{"row": "r", "ratio": value, "wanted": "", "note": ""}]

        report = {"date": "2026", "threads": 1, "gpu": None, "versions": {}}
        monkeypatch.setattr(
            command, "surroundings", lambda device: {**report, "cpu": cpu}
        )
        monkeypatch.setattr(command, "ROWS", {"step": rows, "start": rows})
        argv = ["benchmarks", "--json", str(path)]
        more = ["--only", *only] if only else []
        monkeypatch.setattr(sys, "argv", argv + more)
        command.main()
        found = json.loads(path.read_text())["rows"]
        return {line["group"]: line["ratio"] for line in found}

    assert measured(1.0) == {"step": 1.0, "start": 1.0}
    assert measured(2.0, "step") == {"step": 2.0, "start": 1.0}
    assert measured(3.0, "start", cpu="b") == {"start": 3.0}
