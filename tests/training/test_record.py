"""The record of a run, and that of checkpoints which had none."""

import json
import shutil

import pytest
import yaml
from method_files import ROOT
from speechbrain_petl.training.record import RECORD, split_record
from toy import toy_brain, train

OLD = ROOT / "tests" / "fixtures" / "version_0_1" / "unfinished" / "save"


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("number, epochs, step", [("00", 1, 0), ("01", 1, 2)])
def test_of_an_old_checkpoint(number, epochs, step, killed, tmp_path):
    """Also of one whose split was broken off, and of one split before."""
    (folder,) = OLD.glob(f"CKPT+*+{number}")
    folder = shutil.copytree(folder, tmp_path / folder.name)
    brain = folder / "brain.ckpt"
    if killed:
        (folder / f"{RECORD}.ckpt").write_text("{}")
    for _ in range(2):
        split_record(folder)
        record = json.loads((folder / f"{RECORD}.ckpt").read_text())
        assert [epoch["epoch"] for epoch in record["history"]] == [epochs]
        assert record["seconds"] > 0
        kept = yaml.safe_load(brain.read_text())
        assert kept.keys() == {"step", "optimizer_step", "avg_train_loss"}
        assert kept["step"] == step
    assert not (folder / "part").exists()


def test_an_old_epoch_that_ended_without_validation(tmp_path):
    """Version 0.1 saved it with the step of its last batch."""
    (folder,) = OLD.glob("CKPT+*+00")
    folder = shutil.copytree(folder, tmp_path / folder.name)
    brain = folder / "brain.ckpt"
    brain.write_text(brain.read_text().replace("step: 0", "step: 8"))
    assert yaml.safe_load(brain.read_text())["step"] == 8
    split_record(folder)
    assert yaml.safe_load(brain.read_text())["step"] == 0


@pytest.mark.parametrize("valid", [0, 5])
def test_an_ended_epoch_begins_the_next(valid, tmp_path):
    """At its first step, with or without a validation set."""
    train(toy_brain(tmp_path, epochs=1), valid=valid)
    brain = toy_brain(tmp_path, epochs=2)
    steps = []
    brain.on_fit_batch_start = lambda *_: steps.append(
        (brain.epoch, brain.step)
    )
    result = train(brain, valid=valid)
    assert steps == [(2, step) for step in (1, 2, 3, 4)]
    assert [epoch["epoch"] for epoch in result["history"]] == [1, 2]
