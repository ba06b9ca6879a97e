"""Runs on a GPU: precision, kills, waits, what is not finite, memory."""

import gc

import killed
import pytest
import torch
from on_gpu import DEVICE, ON_GPU, off
from recipe_brains import every_row
from running import arguments, result_of, run_elsewhere, weights_of
from toy import Poisoned, normalised, toy_brain, train

from speechbrain import Stage

pytestmark = pytest.mark.gpu


def command_line(data, output, *more):
    """A tiny run of ESC-50's recipe on the device."""
    argv = arguments(data, output, *more)
    return [a for a in argv if a != "--device=cpu"] + [f"--device={DEVICE}"]


def run(data, output, *more):
    """Its result."""
    done = run_elsewhere(command_line(data, output, *more))
    assert done.returncode == 0, done.stderr[-3000:]
    return result_of(output)


@pytest.fixture(scope="module")
def whole(esc50, tmp_path_factory):
    """The folder of a run that nobody kills."""
    folder = tmp_path_factory.mktemp("whole")
    run(esc50, folder)
    return folder


def test_nobody_asks_for_bf16(whole):
    """A GPU that has it computes in it, and the log says so."""
    precision = "bf16" if ON_GPU else "fp32"
    assert result_of(whole)["precision"] == precision
    log = (whole / "log.txt").read_text()
    assert f"training precision: `--precision={precision}`" in log


def test_after_a_kill_a_run_is_what_it_would_have_been(whole, esc50, tmp_path):
    """Up to the order in which a GPU adds."""
    argv = command_line(esc50, tmp_path, "--ckpt_interval_steps=1")
    done = run_elsewhere(["step", "12", *argv], killed.__file__)
    assert done.returncode != 0 and not (tmp_path / "result.json").exists()
    again = run(esc50, tmp_path, "--ckpt_interval_steps=1")
    for epoch, other in zip(again["history"], result_of(whole)["history"]):
        loss, expected = epoch["train"]["loss"], other["train"]["loss"]
        assert loss == pytest.approx(expected, rel=1e-3)
    weights, others = weights_of(tmp_path), weights_of(whole)
    for name, value in weights.items():
        assert off(value.float(), others[name].float()) < 0.02, name


@pytest.mark.skipif(not ON_GPU, reason="a CPU has no fp16")
def test_fp16_with_a_scaler(esc50, tmp_path):
    """It learns as in fp32."""
    losses = [
        run(esc50, tmp_path / name, f"--precision={name}")["history"][-1]
        for name in ("fp16", "fp32")
    ]
    fp16, fp32 = (epoch["train"]["loss"] for epoch in losses)
    assert fp16 == pytest.approx(fp32, rel=0.05)


def test_nothing_of_a_step_that_is_not_finite_is_left(tmp_path):
    brain = toy_brain(tmp_path, normalised(), Poisoned, device=DEVICE)
    result = train(brain)
    for value in brain.modules.net.state_dict().values():
        assert value.float().isfinite().all()
    assert all(e["train"]["loss"] < 10 for e in result["history"])


@pytest.mark.skipif(not ON_GPU, reason="nobody waits for a CPU")
@pytest.mark.parametrize("row", every_row())
def test_no_forward_or_backward_pass_waits(row, recipe_brain):
    """By CUDA's own account."""
    brain, datasets, loader = recipe_brain(row, "--device=cuda")
    loader = brain.make_dataloader(datasets["train"], Stage.TRAIN, **loader)
    brain.modules.train()
    brain.on_stage_start(Stage.TRAIN, 1)
    for batch in loader:
        batch = batch.to("cuda")
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            with brain.training_ctx:
                outputs = brain.compute_forward(batch, Stage.TRAIN)
                loss = brain.compute_objectives(outputs, batch, Stage.TRAIN)
            loss.backward()
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not ON_GPU, reason="of the GPU's allocator")
def test_memory_is_returned(tmp_path):
    """All of it when a Brain is gone."""
    gc.collect()
    before = torch.cuda.memory_allocated()
    for number in range(2):
        train(toy_brain(tmp_path / str(number), device=DEVICE))
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + 2**20
