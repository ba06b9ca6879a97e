"""TensorBoard and Weights & Biases, by one key of the yaml."""

import json
import sys
import types

import pytest
from running import arguments, load_train, run, torchrun
from speechbrain_petl import InputError
from speechbrain_petl.training import loggers
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from speechbrain.utils import distributed


def curves(folder):
    """tag -> [(step, value)] of a run's TensorBoard folder."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def log(folder, logger, epochs):
    """The calls of a run from one epoch to another."""
    train_log = loggers.TrainLog(folder / "train_log.txt", logger)
    for epoch in epochs:
        train_log.log_stats({"epoch": epoch}, {"loss": 1 / epoch}, {"acc": 0.5})
    train_log.log_stats({"tested epoch": 2}, test_stats={"acc": 0.25})


@pytest.fixture
def fake_wandb(monkeypatch):
    """As much of wandb as SpeechBrain calls; keeps what it was given."""
    module = types.ModuleType("wandb")
    module.__spec__ = sys.__spec__
    module.inits, module.logs = [], []

    def init(**kwargs):
        module.inits.append(kwargs)
        write = lambda logs, step=None: module.logs.append((step, logs))  # noqa: E731
        return types.SimpleNamespace(log=write)

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_tensorboard(tmp_path):
    log(tmp_path, "tensorboard", [1, 2])
    log(tmp_path, "tensorboard", [3])  # another process, after a kill
    found = curves(tmp_path)
    assert [step for step, _ in found["loss/train"]] == [1, 2, 3]
    assert found["loss/train"][1][1] == 0.5
    assert found["acc/valid"][0] == (1, 0.5)
    assert found["acc/test"] == [(2, 0.25), (2, 0.25)]
    assert len((tmp_path / "train_log.txt").read_text().splitlines()) == 5


def test_wandb(tmp_path, fake_wandb):
    folder = tmp_path / "lora" / "fold1_seed1"
    folder.mkdir(parents=True)
    log(folder, "wandb", [1, 2])
    log(folder, "wandb", [3])
    first, second = fake_wandb.inits
    assert first["id"] == second["id"]  # one run, that goes on
    assert len(first["id"]) > 8
    assert first["name"] == "lora/fold1_seed1" and first["resume"] == "allow"
    steps = [step for step, _ in fake_wandb.logs]
    assert steps == [1, 2, None, 3, None]
    assert fake_wandb.logs[1][1]["train"] == {"loss": 0.5}
    assert fake_wandb.logs[2][1]["test"] == {"acc": 0.25}


def test_wandb_that_does_not_start(tmp_path, fake_wandb, caplog):
    """Costs its curves, and not the run."""

    def init(**kwargs):
        raise OSError("no network")

    fake_wandb.init = init
    log(tmp_path, ["wandb", "tensorboard"], [1, 2])
    line = "wandb is left out from here: wandb does not start: no network"
    assert caplog.text.count(line) == 1
    assert len(curves(tmp_path)["loss/train"]) == 2


def test_a_logger_that_fails_in_the_midst(tmp_path, fake_wandb, caplog):
    """Costs the rest of its curves."""

    def init(**kwargs):
        def write(logs, step=None):
            if step == 2:
                raise ConnectionError("the line is cut")
            fake_wandb.logs.append(step)

        return types.SimpleNamespace(log=write)

    fake_wandb.init = init
    log(tmp_path, "wandb", [1, 2, 3])
    assert fake_wandb.logs == [1]
    line = "logger: wandb is left out from here: the line is cut"
    assert caplog.text.count(line) == 1
    assert len((tmp_path / "train_log.txt").read_text().splitlines()) == 4


@pytest.mark.parametrize("logger", loggers.PACKAGES)
def test_the_average_of_several_epochs_is_tested(logger, tmp_path, fake_wandb):
    """As AudioSet's recipe does it: a list of epochs is at its last."""
    train_log = loggers.TrainLog(tmp_path / "train_log.txt", logger)
    train_log.log_stats({"epoch": 1}, {"loss": 1.0})
    train_log.log_stats({"tested epoch": [1, 3, 4]}, test_stats={"acc": 0.5})
    if logger == "tensorboard":
        assert curves(tmp_path)["acc/test"] == [(4, 0.5)]
    else:
        assert fake_wandb.logs[-1][1]["test"] == {"acc": 0.5}


def test_both_and_none(tmp_path, fake_wandb):
    log(tmp_path, ["tensorboard", "wandb"], [1])
    assert "loss/train" in curves(tmp_path) and fake_wandb.logs
    (tmp_path / "none").mkdir()
    log(tmp_path / "none", None, [1])
    assert [p.name for p in (tmp_path / "none").iterdir()] == ["train_log.txt"]


def test_only_the_main_process_writes(tmp_path, monkeypatch, fake_wandb):
    monkeypatch.setattr(distributed, "if_main_process", lambda: False)
    log(tmp_path, ["tensorboard", "wandb"], [1])
    assert not list(tmp_path.iterdir()) and not fake_wandb.inits


def test_wrong_names(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="'wand' is none of .* mean wandb"):
        loggers.TrainLog(tmp_path / "a", "wand")
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        loggers.TrainLog(tmp_path / "a", "tensorboard")


def test_a_recipe_with_tensorboard(esc50, tmp_path):
    result = run(esc50, tmp_path, "--logger=tensorboard")
    found = curves(tmp_path)
    for split in ("train", "valid"):
        wanted = [e[split]["accuracy"] for e in result["history"]]
        values = [value for _, value in found[f"accuracy/{split}"]]
        assert values == pytest.approx(wanted)
    assert found["accuracy/test"][0][0] == result["tested_epoch"]


def test_a_recipe_refuses_before_any_work(esc50, tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    argv = arguments(esc50, tmp_path / "run", "--logger=wandb")
    with pytest.raises(Exception, match="pip install wandb") as error:
        load_train().main(argv)
    assert isinstance(error.value, InputError)
    left = [path.name for path in (tmp_path / "run").glob("*")]
    assert all(name.startswith(".lock") for name in left)


@pytest.mark.slow
def test_wandb_itself_offline_under_torchrun(esc50, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    argv = arguments(esc50, tmp_path, "--logger=[wandb, tensorboard]")
    done = torchrun(argv)
    assert done.returncode == 0, done.stderr
    runs = list(tmp_path.rglob("offline-run-*"))
    assert len(runs) == 1
    number = (tmp_path / loggers.WANDB_ID).read_text()
    assert runs[0].name.endswith(number)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert json.loads((tmp_path / "result.json").read_text())["processes"] == 2
