"""Runs averaged to one adapter."""

import pytest
import torch
from running import run
from speechbrain_petl import AudioClassifier, InputError
from speechbrain_petl.inference.commands import merge as command
from speechbrain_petl.inference.merge import _refuse_another, merge
from speechbrain_petl.inference.reading import read_saved
from speechbrain_petl.inference.share import FILES, save_adapter
from speechbrain_petl.weights.adapter_files import (
    HASH,
    SIZE,
    WEIGHTS,
    read_weights,
)
from speechbrain_petl.weights.kept_base import BASE

CPU = {"device": "cpu"}


def answers(source):
    """Of two clips of noise, and the classifier."""
    classifier = AudioClassifier.from_hparams(source, run_opts=CPU)
    draw = torch.Generator().manual_seed(1)
    wavs = torch.randn(2, classifier.mods["fbank"].samples, generator=draw) / 10
    return classifier.classify_batch(wavs)[0]


@pytest.fixture(scope="module")
def runs(esc50, tmp_path_factory):
    """Three runs that began with the same weights, and one of another method."""
    folder = tmp_path_factory.mktemp("runs")
    for name, lr in (("a", 0.05), ("b", 0.02), ("c", 0.01)):
        run(
            esc50, folder / name, f"--lr={lr}", "--epochs=1", method="conformer"
        )
    run(esc50, folder / "lora", "--epochs=1", method="lora")
    return folder


def test_one_run_answers_as_it_does(runs, tmp_path):
    folder = merge([runs / "a"], tmp_path / "merged")
    assert torch.equal(answers(folder), answers(runs / "a"))


def test_the_mean_of_three(runs, tmp_path, capsys):
    """Tensor by tensor, the head too; weights of any unit."""
    output = tmp_path / "merged"
    argv = [str(runs / name) for name in "abc"]
    command.main([*argv, f"--output={output}", "--weights=2,1,1"])
    assert f"{output / WEIGHTS}  " in capsys.readouterr().out
    merged, metadata = read_weights(output / WEIGHTS)
    states = [read_weights(runs / name / WEIGHTS) for name in "abc"]
    assert metadata[HASH] == states[0][1][HASH]
    assert {"encoder", "classifier"} <= merged.keys()
    for module, state in merged.items():
        for name, value in state.items():
            own = [tensors[module][name] for tensors, _ in states]
            if value.is_floating_point():
                expected = 0.5 * own[0] + 0.25 * own[1] + 0.25 * own[2]
                torch.testing.assert_close(value, expected)
            else:
                assert torch.equal(value, own[0])
    found = answers(output)
    assert found.isfinite().all()
    assert not torch.equal(found, answers(runs / "a"))
    # an adapter can be merged again, and its folder written anew
    again = merge([output, runs / "b"], tmp_path / "again")
    assert answers(again).shape == found.shape
    card = (output / "README.md").read_text()
    assert "0.5 of `a`" in card and str(runs) not in card


def test_an_adapter_is_merged_into_its_own_folder(runs, tmp_path):
    """Its base stays there; what stock SpeechBrain opens was the one's alone."""
    folder = save_adapter(runs / "a", tmp_path / "shared")
    expected = answers(merge([folder, runs / "b"], tmp_path / "merged"))
    base = (folder / BASE).read_bytes()
    merge([folder, runs / "b"], folder)
    there = {path.name for path in folder.iterdir()}
    assert there == {*FILES, BASE} and (folder / BASE).read_bytes() == base
    assert torch.equal(answers(folder), expected)


def test_what_cannot_be_averaged(runs, tmp_path):
    """Another method; and weights that are none."""
    with pytest.raises(InputError, match="another method: .*LoRA"):
        merge([runs / "a", runs / "lora"], tmp_path / "x")
    with pytest.raises(InputError, match="a is given twice"):
        merge([runs / "a", runs / "lora", runs / "a"], tmp_path / "x")
    with pytest.raises(InputError, match="2 numbers for 1 runs"):
        merge([runs / "a"], tmp_path / "x", [1, 2])
    with pytest.raises(InputError, match="0.0 is no number above 0"):
        merge([runs / "a"], tmp_path / "x", [0.0])
    assert not (tmp_path / "x").exists()
    with pytest.raises(SystemExit):
        command.main(["a", "--output=x", "--weights=1,b"])


@pytest.mark.parametrize(
    "sources, seeds, refused",
    [
        (("a/w.pt", "./w.pt"), (1, 2), False),
        (("a/w.pt", "a/v.pt"), (1, 1), True),
        ((None, None), (1, 2), True),
        ((None, None), (1, 1), False),
    ],
)
def test_what_was_trained_whole(sources, seeds, refused, runs):
    """Where nothing is frozen, no hash tells the base."""
    both = [read_saved(runs / "a") for _ in range(2)]
    for saved, source, seed in zip(both, sources, seeds):
        saved.metadata = {**saved.metadata, SIZE: "0"}
        saved.description = saved.description | {"source": source, "seed": seed}
    if not refused:
        return _refuse_another(*both)
    with pytest.raises(
        InputError, match="another base: .* began with the same"
    ):
        _refuse_another(*both)


@pytest.mark.parametrize(
    "what, change",
    [
        ("base", {"metadata": {HASH: "0" * 64}}),
        ("classes", {"labels": ["x", "y"]}),
        ("encoder", {"encoder": {"!new:speechbrain_petl.AST": {}}}),
    ],
)
def test_another(what, change, runs, monkeypatch, tmp_path):
    """As two descriptions say it."""
    from speechbrain_petl.inference import merge as module

    read = module.read_saved

    def other(source, trust):
        saved = read(source, trust)
        if source == runs / "b":
            saved.metadata = {**saved.metadata, **change.get("metadata", {})}
            own = {k: v for k, v in change.items() if k != "metadata"}
            saved.description = {**saved.description, **own}
        return saved

    monkeypatch.setattr(module, "read_saved", other)
    with pytest.raises(InputError, match=f"a and .*b have another {what}"):
        merge([runs / "a", runs / "b"], tmp_path / "x")
    assert not (tmp_path / "x").exists()
