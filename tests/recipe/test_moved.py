"""What version 0.1 wrote is read as if it had been written today."""

import csv
import json
import pydoc
import shutil
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from layouts import make_esc50
from method_files import ROOT
from running import TINY, load_train
from speechbrain_petl import AudioClassifier
from speechbrain_petl.recipe.moved import ARGUMENTS, CLASSES

OLD = ROOT / "tests" / "fixtures" / "version_0_1"
CPU = {"device": "cpu"}
# by version 0.1, of the first three classes of the two clips below
SAID = [
    [0.00505925, 0.06576000, 0.05235552],
    [0.00594218, 0.04976716, 0.05192750],
]


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Version 0.1's folders, beside the data that they were made of."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    make_esc50(Path("data"))
    return tmp_path


def predictions(run):
    """id -> probabilities."""
    with open(Path(run) / "predictions.csv", newline="") as file:
        return {
            row["id"]: [float(v) for k, v in row.items() if k[:2] == "p("]
            for row in csv.DictReader(file)
        }


def train(output, *more):
    """The command that made the old runs."""
    load_train().main(
        [
            str(ROOT / "recipes/ESC50/hparams/lora.yaml"),
            *("--data_folder=data", f"--output_folder={output}", *TINY),
            *("--source=source.safetensors", *more),
        ]
    )
    return json.loads((Path(output) / "result.json").read_text())


@pytest.mark.parametrize("folder", ["run", "adapter"])
def test_old_folders_classify(old, folder):
    classifier = AudioClassifier.from_hparams(folder, run_opts=CPU)
    for name, wanted in predictions("run").items():
        wav = next(Path("data").rglob(f"{name}.wav"))
        said = classifier.classify_file(str(wav), windows=1)[0]
        torch.testing.assert_close(
            said.flatten(), torch.tensor(wanted), atol=1e-5, rtol=1e-4
        )


def test_an_old_adapter_of_wav2vec2_classifies(old):
    """Its pooling has `tokens_of: encoder.tokens_of`."""
    classifier = AudioClassifier.from_hparams("adapter_wav2vec2", run_opts=CPU)
    wavs = torch.sin(torch.arange(6400) / 20).view(2, 3200)
    said = classifier.classify_batch(wavs, torch.tensor([1.0, 0.5]))[0]
    wanted = torch.tensor(SAID)
    torch.testing.assert_close(said[:, :3], wanted, atol=1e-5, rtol=1e-4)


def test_an_unfinished_run_goes_on(old):
    """Killed in its second epoch, it ends as the one that was not."""
    wanted = json.loads(Path("run/result.json").read_text())
    result = train("unfinished", "--ckpt_interval_steps=2")
    log = Path("unfinished/train_log.txt").read_text()
    assert log.count("epoch: 1 ") == 1  # it has not begun anew
    assert result["metrics"] == pytest.approx(wanted["metrics"], abs=1e-4)
    for mine, other in zip(result["history"], wanted["history"]):
        assert mine["train"] == pytest.approx(other["train"], abs=1e-4)
        assert mine["valid"] == pytest.approx(other["valid"], abs=1e-4)


@pytest.mark.parametrize("name", CLASSES)
def test_classes_of_old_yaml_files(name, recwarn):
    """A yaml of one's own names them still."""
    found = load_hyperpyyaml(f"a: !name:{name}")["a"]
    assert found is pydoc.locate(CLASSES[name])
    module, _, own = name.rpartition(".")
    there = own in dir(pydoc.safeimport(module))  # of None: nothing
    ours = [w for w in recwarn if "speechbrain_petl" in str(w.message)]
    assert bool(ours) != there


# class -> an attribute that its old argument, in the yaml, decides on
OF_OLD_ARGUMENTS = {
    "ClipMean": ("tokens_of", "tokens_of: !ref <encoder.tokens_of>"),
    "Mixup": ("prob", "share: 0.25"),
}
OF_NEW_ARGUMENTS = {
    "ClipMean": "encoder: !ref <encoder>",
    "Mixup": "prob: 0.25",
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_old_yaml_files(name):
    """Today's class takes the old spelling, with a warning."""
    own = name.rpartition(".")[2]
    attribute, old = OF_OLD_ARGUMENTS[own]
    text = f"""
encoder: !new:speechbrain_petl.Wav2Vec2
    size: [32, 2, 2]
old: !new:{name}
    {old}
new: !new:{name}
    {OF_NEW_ARGUMENTS[own]}
"""
    with pytest.warns(FutureWarning, match=OF_NEW_ARGUMENTS[own]):
        loaded = load_hyperpyyaml(text)
    wanted = getattr(loaded["new"], attribute)
    assert getattr(loaded["old"], attribute) == wanted
