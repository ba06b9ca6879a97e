"""docs/reproduce.md: generated, complete, and its lines run."""

import shlex
import shutil
import sys
from functools import partial

import pytest
import speechbrain_petl
import torch
from checkpoints import hf_config, official, randomise
from hyperpyyaml import load_hyperpyyaml
from method_files import ROOT
from result_trees import make_folds, make_run
from speechbrain_petl.experiments.sweep.command import main as sweep
from speechbrain_petl.recipe.parsing import check_recipe
from tiny_runs import train
from transformers import ASTForAudioClassification

sys.path.insert(0, str(ROOT / "docs"))
import reproduce  # noqa: E402

TRAIN = ["python", "train.py"]


def test_the_page_is_up_to_date():
    """python docs/reproduce.py"""
    assert reproduce.PAGE.read_text(encoding="utf-8") == reproduce.page()


def test_every_published_figure_has_a_command():
    rows = reproduce.published()
    assert len(rows) >= 44 + 5
    for row in rows:
        line = reproduce.command(row)
        assert "recipes/" in line or "hparams/" in line
    assert {row["paper"] for row in rows} == {
        *("https://arxiv.org/abs/2104.01778", reproduce.MOA, reproduce.WAV)
    }


def test_each_command_is_taken_as_it_stands(monkeypatch, capsys):
    """Of the method that is named, not of another encoder's; swept by folds."""
    swept = {}
    for row in reproduce.published():
        recipe, _, folds = reproduce.DATA[row["dataset"]]
        words = shlex.split(reproduce.command(row))
        assert words[:2] == (["sbpetl", "sweep"] if folds else TRAIN)
        arguments = words[2:]
        if folds:
            swept[recipe, "original" in words[4]] = arguments
            arguments = [f"hparams/{words[4]}.yaml", words[-1]]
        monkeypatch.chdir(ROOT / "recipes" / recipe)
        settings = check_recipe(arguments)[-1]
        assert settings["method"] == row["method"].rpartition("/")[2]
    monkeypatch.chdir(ROOT)
    assert len(swept) == 4  # the original ESC-50's, too
    for arguments in swept.values():
        sweep([*arguments, "--dry_run"])
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) in (5, 10) and lines[0].split()[:2] == TRAIN


def test_means_are_rounded_as_papers_do():
    means = dict(reproduce.averages(reproduce.published()))
    assert str(means["bottleneck"]) == "84.09"  # of 84.085


def test_only_what_compares_stands_beside(tmp_path, monkeypatch):
    """No few shots, no random weights, no other encoder; how many folds."""
    recipe = tmp_path / "recipes" / "ESC50"
    shutil.copytree(ROOT / "recipes" / "ESC50" / "hparams", recipe / "hparams")
    shutil.copy(ROOT / "recipes" / "ESC50" / "published.csv", recipe)
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    names = ("dataset", "protocol", "method", "metric")
    rows = {
        method: dict(zip(names, ("ESC-50", "3-1-1", method, "accuracy")))
        for method in ("lora", "full", "bitfit", "linear", "prefix")
    }
    base = {"dataset": "ESC-50", "folds": 5, "size": "base384"}
    results = recipe / "results"
    make_folds(results, "lora", [0.5, 0.6, 0.7], **base)
    make_run(results, "full", shots=5, **base)
    make_run(results, "bitfit", settings={"source": "null"}, **base)
    make_run(results, "linear", **{**base, "size": "[96, 4, 3]"})
    make_folds(results, "prefix", [0.5, 0.6, 0.7, 0.8, 0.9], **base)
    reproduce.tables.cache_clear()
    found = {method: reproduce.ours(row) for method, row in rows.items()}
    reproduce.tables.cache_clear()
    assert found == {
        **{"lora": "60.00, 3 of 5 runs", "prefix": "70.00"},
        **dict.fromkeys(("full", "bitfit", "linear"), "not run"),
    }


@pytest.mark.parametrize("line", [line for _, line in reproduce.OPTIONS])
def test_the_line_of_yaml_trains(line, esc50, tmp_path):
    """As an option of a recipe; what it says is in the resolved file."""
    key, _, value = line.partition(": ")
    options = [f"--{key}={value}", "--esc10=True", "--epochs=1", "--debug"]
    if "distillation" in line:
        options.append("--pooling={class_tokens: 1}")
    result = train("ESC50", esc50, tmp_path / "run", *options, method="linear")
    assert result["metrics"]["loss"] > 0
    text = (tmp_path / "run" / "hyperparams.yaml").read_text()
    said = load_hyperpyyaml(text)
    stated = load_hyperpyyaml(line)[key]
    if key == "petl":
        (wrapper,), (wanted,) = (
            list(x["wrap"].values()) for x in (said[key], stated)
        )
        assert repr(wrapper) == repr(wanted)
    elif key == "augment":
        assert said[key].steps[0].value == stated.steps[0].value == 0.0
    elif key == "pooling":
        assert said[key].tokens == slice(1)
    else:
        assert not said[key].distillation


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """What is on the hub, and what its authors have released, both tiny."""
    folder = tmp_path_factory.mktemp("hub")
    model = ASTForAudioClassification(hf_config(num_labels=527))
    randomise(model).save_pretrained(folder)
    encoder = speechbrain_petl.AST((48, 2, 3))
    state = {k: v for k, v in official(encoder).items() if "head" not in k}
    head = speechbrain_petl.NormLinear(48, 527).state_dict()
    state |= {f"module.mlp_head.{k}": v for k, v in head.items()}
    torch.save(state, folder / "audioset_10_10_0.4593.pth")
    return folder


@pytest.mark.parametrize("line", [ours for _, _, ours in reproduce.COMING_FROM])
def test_our_line_runs(line, checkpoint, monkeypatch):
    for module in (
        "speechbrain_petl.lobes.ast",
        "speechbrain_petl.weights.ast_files",
    ):
        __import__(module)
        sizes = sys.modules[module].SIZES
        monkeypatch.setitem(sizes, "base384", (48, 2, 3))
    hub = checkpoint / "model.safetensors"
    names = {
        "MIT/ast-finetuned-audioset-10-10-0.4593": str(hub),
        '"audioset_10_10': f'"{checkpoint}/audioset_10_10',
        "768": "48",
    }
    for name, there in names.items():
        line = line.replace(name, there)
    scope = {n: getattr(speechbrain_petl, n) for n in dir(speechbrain_petl)}
    scope |= {"partial": partial, "wavs": torch.randn(2, 16000)}
    assert eval(line, scope) is not None
