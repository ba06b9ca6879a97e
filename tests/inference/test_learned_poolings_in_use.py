"""Runs whose pooling learns: loaded, shared, deployed, all with one answer."""

import shutil

import pytest
import torch
from finished_runs import RUNS, SHORT, SPEECH
from method_files import ROOT
from running import load_train
from speechbrain_petl import AdapterSet, AudioClassifier
from speechbrain_petl.inference.deploy import deploy
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.weights.adapter_files import HASH, WEIGHTS, read_weights
from test_deploy import check
from tiny_runs import TINY

from speechbrain.inference.classifiers import EncoderClassifier

CPU = {"device": "cpu"}
METHODS = ("attentive", "protobin", "gated_probe")
FAMILIES = ("", "whisper", "beats")


def finish(method, family, folder):
    """Train a recipe with this method; returns the output folder."""
    kind, table = (family, SPEECH) if family else ("ESC50", RUNS)
    dataset, layout, options = table[kind]
    data, output = folder / "data", folder / "run"
    layout(data)
    recipe = ROOT / "recipes" / dataset
    tiny = [o for o in TINY if not family or "ast_size" not in o]
    tiny = [o for o in tiny if family != "whisper" or "frames" not in o]
    load_train(recipe).main(
        [
            str(recipe / "hparams" / family / f"{method}.yaml"),
            f"--data_folder={data}",
            f"--output_folder={output}",
            *tiny,
            *SHORT,
            *options,
        ]
    )
    return output


@pytest.mark.parametrize(
    "family, method",
    [
        pytest.param(f, m, marks=() if n < 1 else pytest.mark.slow)
        for n, (f, m) in enumerate((f, m) for f in FAMILIES for m in METHODS)
    ],
)
def test_all_answer_the_same(family, method, tmp_path):
    """The run, its adapter folder, one of a set, stock SpeechBrain, a graph."""
    run = finish(method, family, tmp_path)
    tensors, metadata = read_weights(run / WEIGHTS)
    assert "pooling" in tensors and metadata[HASH]
    classifier = AudioClassifier.from_run(run, run_opts=CPU)
    wavs = torch.randn(2, classifier.mods["fbank"].samples) / 10
    wav_lens = torch.tensor([1.0, 0.6])
    expected = classifier.classify_batch(wavs, wav_lens)[0]
    folder = save_adapter(run, tmp_path / "adapter")
    shared = AudioClassifier.from_hparams(folder, run_opts=CPU)
    assert torch.equal(shared.classify_batch(wavs, wav_lens)[0], expected)
    adapters = AdapterSet(run_opts=CPU)
    adapters.add("own", folder)
    said = adapters.classify_batch(wavs, ["own", "own"], wav_lens)
    torch.testing.assert_close(torch.stack([a[0] for a in said]), expected)
    stock = EncoderClassifier.from_hparams(str(folder), run_opts=CPU)
    logs = stock.classify_batch(wavs, wav_lens)[0]
    torch.testing.assert_close(logs.exp(), expected, atol=1e-5, rtol=1e-4)
    for name, features in (("a.pt2", False), ("b.onnx", True)):
        deploy(classifier, tmp_path / name, features)
        if not features or family:
            check(classifier, tmp_path / name, features)
    shutil.rmtree(run)
