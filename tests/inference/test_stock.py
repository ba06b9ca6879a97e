"""Adapter folders opened with stock SpeechBrain, by EncoderClassifier."""

import json
import subprocess
import sys

import pandas
import pytest
import torch
from finished_runs import clips_of_test, finish, run_of
from layouts import make_esc50
from method_files import ROOT
from speechbrain_petl import AudioClassifier
from speechbrain_petl.inference.commands.share import main
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.inference.stock import PYTHON, WHOLE
from tiny_runs import train

CPU = {"device": "cpu"}
# a process of its own, whose python has this package only if it may
OPEN = """
import json, sys
if {alone}:
    sys.modules["speechbrain_petl"] = None
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.inference.interfaces import foreign_class
model = EncoderClassifier.from_hparams({folder!r}, run_opts={{"device": "cpu"}})
said = {{}}
for name, path in {clips!r}.items():
    log, score, index, label = model.classify_file(path)
    said[name] = [log.exp().flatten().tolist(), label[0]]
print(json.dumps(said))
"""


def opened(folder, clips, alone):
    """id -> probabilities and label."""
    code = OPEN.format(folder=str(folder), clips=clips, alone=alone)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PATH": "", "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("method", ["lora", "conformer"])
def test_the_predictions_are_those_of_the_run(method, tmp_path):
    """LoRA, merged, without this package; conformer with it."""
    run = tmp_path / "run"
    options = ["--esc10=True", "--epochs=1", "--lr=0.05"]
    data = make_esc50(tmp_path / "data")
    train("ESC50", data, run, *options, method=method)
    folder = save_adapter(run, tmp_path / "adapter")
    found = opened(folder, clips_of_test(run), alone=method == "lora")
    table = pandas.read_csv(run / "predictions.csv", index_col="id")
    assert set(found) == set(table.index)
    for name, (probabilities, label) in found.items():
        row = table.loc[name]
        wanted = row[row.index.str.startswith("p(")].to_list()
        assert probabilities == pytest.approx(wanted, abs=1e-5)
        assert label == row["predicted"]
    assert bool(list(folder.glob(PYTHON))) == (method == "lora")


def both(folder, **kwargs):
    """This package's model of a folder, and SpeechBrain's."""
    from speechbrain.inference.classifiers import EncoderClassifier

    ours = AudioClassifier.from_hparams(folder, run_opts=CPU)
    theirs = EncoderClassifier.from_hparams(folder, run_opts=CPU, **kwargs)
    return ours, theirs


@pytest.mark.parametrize("method", ["lora_conformer", "prefix", "bitfit"])
def test_padded_batches_of_other_methods(method, finished, tmp_path):
    run = run_of(method, finished("ESC50"), tmp_path / "run")
    folder = save_adapter(run, tmp_path / "adapter")
    wavs, wav_lens = torch.randn(2, 9000), torch.tensor([1.0, 0.4])
    ours, theirs = both(folder)
    wanted = ours.classify_batch(wavs, wav_lens)[0]
    found = theirs.classify_batch(wavs, wav_lens)[0].exp()
    assert torch.allclose(found, wanted, atol=1e-6)
    assert bool(list(folder.glob(PYTHON))) == (method == "bitfit")


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper", "AudioSet"])
def test_other_encoders_and_tags(kind, tmp_path):
    folder = save_adapter(finish(kind, tmp_path), tmp_path / "adapter")
    wavs, wav_lens = torch.randn(2, 2500), torch.tensor([1.0, 0.4])
    ours, theirs = both(folder)
    wanted = ours.classify_batch(wavs, wav_lens)[0]
    found = theirs.classify_batch(wavs, wav_lens)[0].exp()
    assert torch.allclose(found, wanted, atol=1e-6)


def test_a_folder_that_was_moved(finished, tmp_path):
    """The place of its python file is told; the adapter alone has none."""
    folder = save_adapter(finished("ESC50"), tmp_path / "adapter")
    there = folder.rename(tmp_path / "there")
    ours, theirs = both(there, overrides={"pretrained_path": str(there)})
    wavs = torch.randn(2, 9000)
    found = theirs.classify_batch(wavs)[0].exp()
    assert torch.allclose(found, ours.classify_batch(wavs)[0], atol=1e-6)
    alone = tmp_path / "alone"
    main(["save", str(finished("ESC50")), str(alone), "--adapter_only"])
    assert not {p.name for p in alone.iterdir()} & {*WHOLE, "hyperparams.yaml"}


def test_a_hub_model(finished, tmp_path):
    """foreign_class of SpeechBrain opens it, too."""
    from speechbrain.inference.interfaces import foreign_class

    folder = save_adapter(finished("ESC50"), tmp_path / "adapter")
    (python,) = folder.glob(PYTHON)
    model = foreign_class(
        str(folder),
        pymodule_file=python.name,
        classname="EncoderClassifier",
        run_opts=CPU,
    )
    wavs = torch.randn(2, 9000)
    wanted = AudioClassifier.from_hparams(folder, run_opts=CPU)
    found = model.classify_batch(wavs)[0].exp()
    assert torch.allclose(found, wanted.classify_batch(wavs)[0], atol=1e-6)
