"""The axis of encoders: which there are, and what is run of each."""

import re
import sys

import pytest
from method_files import ROOT
from speechbrain_petl import InputError
from speechbrain_petl.experiments.report.across import (
    across_encoders,
    draw_across,
    title_of,
)
from speechbrain_petl.experiments.report.groups import make_tables
from speechbrain_petl.experiments.report.runs import Run
from speechbrain_petl.experiments.sweep import command as sweep
from speechbrain_petl.experiments.sweep.axes import method_names
from speechbrain_petl.experiments.sweep.encoders import (
    Encoder,
    choices,
    encoders_of,
)
from speechbrain_petl.recipe.method_files import BASE

HPARAMS = ROOT / "recipes" / "ESC50" / "hparams"
RECIPES = sorted(
    p.parents[1].name for p in ROOT.glob(f"recipes/*/hparams/{BASE}")
)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_encoders_that_a_recipe_has(recipe):
    """A folder with another encoder's base.yaml is one, another protocol is none."""
    hparams = ROOT / "recipes" / recipe / "hparams"
    found = encoders_of(hparams)
    families = {name for name, one in found.items() if not one.options}
    folders = {p.parent.name for p in hparams.glob(f"*/{BASE}")}
    assert families == {"ast"} | (folders - {"original", "seq2seq"})
    assert found["ast_base384"].options == ("--ast_size=base384",)


def test_a_recipe_without_plain_files():
    """An encoder goes by its own name, not by that of another protocol."""
    hparams = ROOT / "recipes" / "LibriSpeech" / "hparams"
    found = encoders_of(hparams)
    families = {name for name, one in found.items() if not one.options}
    assert families == {"whisper", "wav2vec2"}
    assert found["whisper_small"].folder == "whisper"
    with pytest.raises(InputError, match="methods=all: .*--encoders=all, or"):
        method_names(hparams, "all")


def test_sizes():
    """By family and size, or by the size where that says the family."""
    found = encoders_of(HPARAMS)
    assert found["whisper_small"].options == ("--encoder_size=small",)
    assert found["whisper_small"].folder == "whisper" and "small" not in found
    assert found["ced_tiny"].folder == "ced"
    assert found["eat_large"].folder == found["sslam_base"].folder == "eat"
    assert found["dasheng_base"] == Encoder(
        "ced", ("--encoder_size=dasheng_base",)
    )
    assert found["audiomae_base"].folder == "eat"
    bat = found["bat_base"]
    assert bat.folder == "ced" and "--mels=128" in bat.options
    # the front end that the README says
    readme = (HPARAMS.parent / "README.md").read_text("utf-8")
    assert all(option in readme for option in bat.options)
    speech = encoders_of(ROOT / "recipes/IEMOCAP/hparams")
    assert speech["hubert_large"].options == ("--encoder_size=hubert_large",)
    assert not [name for name in speech if name.startswith("wav2vec2_hub")]


def test_methods_are_found_for_each(capsys):
    """One command: each encoder's own files, options and folders."""
    argv = [str(HPARAMS.parent), "--encoders=ast,whisper,whisper_small,beats"]
    argv += ["--methods=linear,gated_probe", "--folds=1,2", "--dry_run"]
    argv += ["--data_folder=d", "--source=null", "--beats:source=weights.pt"]
    sweep.main(argv)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 * 2 * 2
    files = [re.search(r"hparams/(\S+)\.yaml", line)[1] for line in lines]
    for file in ("linear", "whisper/linear", "beats/gated_probe"):
        assert files.count(file) == (4 if "whisper" in file else 2)
    small = [line for line in lines if "--encoder_size=small" in line]
    assert len(small) == 4
    assert all("_encoder_sizesmall" in line for line in small)
    for line in lines:
        assert ("--source=weights.pt" in line) == ("beats/" in line)


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ("wisper", "lora"),
            "no wisper. Did you mean whisper.* ESC50 has: ast, beats, ced, eat, whisper; and of sizes",
        ),
        (
            ("ast,beats", "dora"),
            "beats has no dora.* Those that have it: ast, whisper. beats has: .*linear",
        ),
        (("ast,ast", "lora"), "give each value once"),
        (("ast", "whisper/lora"), "ast has no whisper/lora"),
    ],
)
def test_what_there_is_not(words, message):
    """The value, and what there is instead."""
    with pytest.raises(InputError, match=message):
        choices(HPARAMS, *words, [])


def test_options_of_an_encoder_that_is_not_asked_for():
    with pytest.raises(InputError, match="beats is not among --encoders=ast"):
        choices(HPARAMS, "ast", "lora", ["--beats:source=x"])
    kept = ["--beats.source=a:b", "--data_folder=C:x"]
    assert choices(HPARAMS, "ast", "lora", kept)[1] == kept


def result(method, size, kind, accuracy, **more):
    """What a run of an encoder says."""
    encoder = {"encoder": size} if size else {}
    return {
        "dataset": "made up",
        "method": method,
        **encoder,
        **more,
        "seed": 1,
        "metrics": {"accuracy": accuracy},
        "select": "accuracy",
        "trainable_parameters": 1000 + len(method),
        "seconds": 10.0,
        "peak_memory_mib": None,
        "encoder_class": kind,
        "debug": False,
        "history": [],
    }


def runs_of(*results):
    """As a report reads them."""
    return [
        Run(str(i), ROOT / str(i), r, {"encoder": f"a.{r['encoder_class']}"})
        for i, r in enumerate(results)
    ]


def test_one_picture_over_encoders(tmp_path):
    """Tables that only the encoder tells apart; of one encoder there is none."""
    runs = runs_of(
        result("lora", None, "AST", 0.9),
        result("linear", None, "AST", 0.8),
        result("whisper/lora", "tiny", "Whisper", 0.7),
        result("lora", None, "AST", 0.6, protocol="4-1"),
    )
    groups = across_encoders(make_tables(runs))
    assert [len(group) for group in groups] == [2]
    path = tmp_path / "encoders.png"
    assert draw_across(groups[0], path) and path.stat().st_size > 10_000
    assert title_of(groups[0]) == "made up"
    sizes = runs_of(
        result("lora", None, "AST", 0.9), result("b", "x", "AST", None)
    )
    (group,) = across_encoders(make_tables(sizes))
    assert not draw_across(group, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists() and "matplotlib" in sys.modules
