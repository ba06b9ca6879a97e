"""What a run or an adapter holds is what was written, or refused by name."""

import csv
import json
import shutil

import pytest
from finished_runs import unseal
from layouts import make_esc50
from running import run
from safetensors import safe_open
from safetensors.torch import save_file
from speechbrain_petl import AudioClassifier, InputError
from speechbrain_petl.experiments.report.runs import find_runs
from speechbrain_petl.inference.reading import DESCRIPTION
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.weights.adapter_files import WEIGHTS

CPU = {"device": "cpu"}
LOGS = ("log.txt", "env.log", "train_log.txt")


def alter_weights(path):
    """Another value of one learned tensor, in a file that is still valid."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    name = min(tensors)
    tensors[name] = tensors[name] + 1
    save_file(tensors, path, metadata)


def put(old, new):
    """A function that replaces a text in a file."""

    def replace(path):
        text = path.read_text()
        assert old in text, path
        path.write_text(text.replace(old, new, 1))

    return replace


ALTERED = {  # file of a run -> what happens to it
    WEIGHTS: alter_weights,
    "hyperparams.yaml": put("mean: -4.26", "mean: -3.26"),
    "save/labels.txt": put("dog", "cat"),
    "result.json": put('"loss": ', '"loss": 1'),
}


@pytest.mark.parametrize("name", ALTERED)
def test_a_run_that_was_altered(finished, tmp_path, name):
    folder = shutil.copytree(finished("ESC50"), tmp_path / "run")
    AudioClassifier.from_run(folder, run_opts=CPU)
    ALTERED[name](folder / name)
    with pytest.raises(InputError, match=f"{name} is damaged or has been alt"):
        AudioClassifier.from_run(folder, run_opts=CPU)
    if name != WEIGHTS:  # which a report does not read
        runs, problems = find_runs(tmp_path)
        assert not runs and name in problems[0] and "altered" in problems[0]


def test_a_report_reads_no_other_predictions(finished, tmp_path):
    folder = shutil.copytree(finished("ESC50"), tmp_path / "run")
    put(",dog,", ",rain,")(folder / "predictions.csv")
    runs, problems = find_runs(tmp_path)
    assert not runs and "predictions.csv is damaged" in problems[0]


def test_an_adapter_that_was_altered(finished, tmp_path):
    folder = save_adapter(finished("ESC50"), tmp_path / "adapter")
    described = json.loads((folder / DESCRIPTION).read_text())
    assert set(described["sha256"]) == {DESCRIPTION, WEIGHTS}
    for name, change in (
        (WEIGHTS, alter_weights),
        (DESCRIPTION, put("-4.26", "-3.26")),
    ):
        copy = shutil.copytree(folder, tmp_path / name)
        AudioClassifier.from_hparams(copy, run_opts=CPU)
        change(copy / name)
        with pytest.raises(InputError, match=f"{name} is damaged or has"):
            AudioClassifier.from_hparams(copy, run_opts=CPU)


def test_runs_and_adapters_of_version_0_1_have_no_checksums(finished, tmp_path):
    folder = shutil.copytree(finished("ESC50"), tmp_path / "run")
    assert "sha256" in json.loads((folder / "result.json").read_text())
    unseal(folder / "result.json")
    AudioClassifier.from_run(folder, run_opts=CPU)
    assert find_runs(tmp_path)[1] == []


def test_a_class_is_renamed_after_the_run(tmp_path):
    """And a recording is gone: both change what the figures mean."""
    data, output = make_esc50(tmp_path), tmp_path / "run"
    run(data, output, "--epochs=1")
    run(data, output, "--epochs=1")  # again: nothing to say
    kept = {p: p.read_bytes() for p in output.rglob("*") if p.is_file()}
    meta = data / "meta" / "esc50.csv"
    for old, new in (("dog", "wolf"), ("1-1000-A-0.wav", "1-1001-A-1.wav")):
        rows = list(csv.reader(meta.open()))
        changed = [[new if c == old else c for c in row] for row in rows]
        if old.endswith(".wav"):
            (data / "audio" / old).rename(data / "audio" / "1-7-A-0.wav")
            changed = [[c.replace(old, "1-7-A-0.wav") for c in r] for r in rows]
        with meta.open("w", newline="") as file:
            csv.writer(file).writerows(changed)
        with pytest.raises(InputError, match="json is of a run on other data"):
            run(data, output, "--epochs=1")
        for path, content in kept.items():
            if path.name not in LOGS:
                assert path.read_bytes() == content, path
        with meta.open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def test_the_data_are_moved_after_the_run(tmp_path):
    data, output = make_esc50(tmp_path / "here"), tmp_path / "run"
    first = run(data, output, "--epochs=1")
    moved = shutil.move(data, tmp_path / "there")
    assert run(moved, output, "--epochs=1")["metrics"] == first["metrics"]
