"""Classifiers as graphs: the same numbers, for any number of clips."""

import json
import sys

import pytest
import torch
from finished_runs import RUNS, SPEECH, run_of
from speechbrain_petl import AudioClassifier, InputError
from speechbrain_petl.data.audio import SAMPLE_RATE
from speechbrain_petl.inference import deploy
from speechbrain_petl.inference.commands import deploy as command

CPU = {"device": "cpu"}
PT2, ONNX = ".pt2", ".onnx"
# kind, ending, without filterbank; the rest is slow
COMMON = [("ESC50", PT2, False), ("ESC50", ONNX, False)]
OTHERS = [
    (kind, ending, features)
    for kind in (*RUNS, *SPEECH)
    for ending in (PT2, ONNX)
    for features in (False, True)
    if (kind, ending, features) not in COMMON
]


def load(run, **kwargs):
    """The classifier of a run."""
    return AudioClassifier.from_run(run, run_opts=CPU, **kwargs)


def read(path):
    """A graph as its user loads it: a function of tensors, and its labels."""
    if path.suffix == PT2:
        extra = {"labels.json": "", "sample_rate.json": "", "samples.json": ""}
        program = torch.export.load(path, extra_files=extra)
        about = {k.partition(".")[0]: json.loads(v) for k, v in extra.items()}
        return program.module(), about
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path))
    names = [x.name for x in session.get_inputs()]

    def run_session(*inputs):
        feed = {name: x.numpy() for name, x in zip(names, inputs)}
        return torch.from_numpy(session.run(None, feed)[0])

    about = session.get_modelmeta().custom_metadata_map
    return run_session, {k: json.loads(v) for k, v in about.items()}


def check(classifier, path, features, kind=None):
    """Clips of several lengths, of a batch that the export has not seen."""
    graph, about = read(path)
    assert about == {
        "labels": classifier.hparams.labels,
        "sample_rate": SAMPLE_RATE,
        "samples": classifier.mods["fbank"].samples,
    }
    samples, answers = about["samples"], []
    near = 1e-4 / max(classifier.temperature, 1.0)  # a large one flattens
    for batch in (1, 5, 7):
        generator = torch.Generator().manual_seed(10 + batch)
        wavs = torch.randn(batch, samples, generator=generator) / 10
        wav_lens = torch.linspace(1.0, 0.4, batch)
        inputs = wavs, wav_lens
        if features:
            inputs = (classifier.mods["fbank"](*inputs),)
            if kind in SPEECH:
                inputs = (*inputs, wav_lens * samples)
        wanted = classifier.classify_batch(wavs, wav_lens)[0]
        answers.append(graph(*inputs))
        torch.testing.assert_close(answers[-1], wanted, rtol=0, atol=near)
    assert torch.cat(answers).std(dim=0).max() > near  # not a constant


@pytest.mark.parametrize(
    "kind, ending, features",
    [*COMMON, *(pytest.param(*x, marks=pytest.mark.slow) for x in OTHERS)],
)
def test_equals_pytorch(finished, tmp_path, kind, ending, features):
    """With the filterbank and without, in both formats."""
    if ending == ONNX:
        pytest.importorskip("onnxscript")
    classifier, path = load(finished(kind)), tmp_path / f"sounds{ending}"
    assert deploy.deploy(classifier, path, features) <= 1e-4
    check(classifier, path, features, kind)
    assert [x.name for x in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
@pytest.mark.parametrize("ending", [PT2, ONNX])
@pytest.mark.parametrize(
    "method",
    ["lora", "conformer", "convpass", "soft_moa", "prefix", "prompt_deep"],
)
def test_wrapped_models(finished, tmp_path, method, ending):
    """With the adapter in its place."""
    if ending == ONNX:
        pytest.importorskip("onnxscript")
    run = run_of(method, finished("ESC50"), tmp_path / "run")
    classifier, path = load(run, merge=False), tmp_path / f"a{ending}"
    deploy.deploy(classifier, path)
    check(classifier, path, features=False)


def test_a_graph_that_differs_is_not_kept(finished, tmp_path, monkeypatch):
    """Nor are the numbers of a graph that computes nan."""
    classifier, path = load(finished("ESC50")), tmp_path / "a.pt2"
    path.write_text("an older one")
    other = torch.zeros(1, len(classifier.hparams.labels))
    monkeypatch.setattr(torch.export, "export", lambda *_, **__: None)
    monkeypatch.setattr(
        deploy, "write_graph", lambda _, part, *__: part.write_text("new")
    )
    for wrong in (other, other * float("nan")):
        monkeypatch.setattr(deploy, "read_graph", lambda *_: lambda *_: wrong)
        with pytest.raises(InputError, match="a.pt2 is not written: its pro"):
            deploy.deploy(classifier, path)
        assert path.read_text() == "an older one"
        assert [x.name for x in tmp_path.iterdir()] == [path.name]


def test_places_that_cannot_be_written(finished, tmp_path, monkeypatch):
    """Said before the model is even loaded."""
    (tmp_path / "folder.pt2").mkdir()
    for name, message in (
        ("folder.pt2", "folder.pt2 is a folder: name a file"),
        ("a.tflite", "a.tflite: the name must end in .onnx or .pt2"),
        ("no/a.pt2", "no/a.pt2: there is no such folder"),
    ):
        with pytest.raises(InputError, match=message):
            command.main(["no model", str(tmp_path / name)])
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"pip install speechbrain_petl\[onnx"):
        command.main(["no model", str(tmp_path / "a.onnx")])


@pytest.mark.slow
def test_the_command(finished, tmp_path, capsys):
    """It says how large the file is and how near."""
    path = tmp_path / "a.pt2"
    command.main([str(finished("ESC50")), str(path), "--features"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"{path}: {path.stat().st_size:,} bytes, within")
    command.main([str(finished("ESC50")), str(path), "--no_merge"])
    check(load(finished("ESC50")), path, features=False)
