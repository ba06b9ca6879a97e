"""A run that version 0.1 began and nobody finished goes on to the same end."""

import json
import shutil

import pytest
from method_files import ROOT
from running import arguments, load_train
from speechbrain_petl.training import brain

KEPT = ROOT / "tests" / "fixtures" / "version_0_1"


def test_an_unfinished_run_goes_on(esc50, tmp_path, monkeypatch):
    """From its second epoch's second step, with the record of the first."""
    shutil.copytree(KEPT / "unfinished" / "save", tmp_path / "run" / "save")
    source = f"--source={KEPT / 'source.safetensors'}"
    argv = arguments(esc50, tmp_path / "run", source, "--ckpt_interval_steps=2")
    steps = []
    fit_batch = brain.PETLBrain.fit_batch
    monkeypatch.setattr(
        brain.PETLBrain,
        "fit_batch",
        lambda self, batch: (steps.append(batch.id), fit_batch(self, batch))[1],
    )
    result = load_train().main(argv)
    assert len(steps) == 8 - 2
    expected = json.loads((KEPT / "run" / "result.json").read_text())
    for key in ("tested_epoch", "trainable_parameters", "adapter_bytes"):
        assert result[key] == expected[key]
    assert result["metrics"] == pytest.approx(expected["metrics"], rel=1e-5)
    assert len(result["history"]) == 2
    for epoch, before in zip(result["history"], expected["history"]):
        for split in ("train", "valid"):
            assert epoch[split] == pytest.approx(before[split], rel=1e-5)
    assert result["seconds"] > 0
