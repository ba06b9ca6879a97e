"""recipes/ESC50/defects: each defect is what it says, and a run has it."""

import importlib
import sys

import numpy as np
import pytest
import torch
from method_files import ROOT
from result_trees import make_folds
from running import TINY, load_train
from scipy.stats import t as t_distribution
from speechbrain_petl import AdaptedEncoder, AudioClassifier, InputError
from speechbrain_petl.recipe.method_files import BASE, export
from speechbrain_petl.recipe.yaml_files import plain_tree, read_yaml

RECIPE = ROOT / "recipes" / "ESC50" / "defects"
HPARAMS = RECIPE / "hparams"
FILES = sorted(
    str(p.relative_to(HPARAMS).with_suffix(""))
    for p in HPARAMS.rglob("*.yaml")
    if p.name != BASE
)
OTHERS = {"last", "test_fold"}  # that change no model


def model_of(name):
    """An encoder with the method and the defect of a file; and the plain one."""
    from hyperpyyaml import load_hyperpyyaml

    load_train(RECIPE)
    import defects

    size = {"ast_size": [32, 2, 2], "frames": 64}
    if name.startswith("whisper/"):
        size = {"encoder_size": [32, 2, 2]}
    options = {"data_folder": "d", "output_folder": "o", **size}
    hparams = load_hyperpyyaml(export(HPARAMS / f"{name}.yaml", options))
    torch.manual_seed(0)
    encoder = AdaptedEncoder(hparams["encoder"], **hparams["petl"])
    defects.spoil(hparams["defect"], encoder)
    return encoder.eval(), hparams["defect"]


@pytest.mark.parametrize("name", FILES)
def test_a_defect_changes_the_model(name):
    """At the start, or once the adapters are moved; published ones start plain."""
    encoder, defect = model_of(name)
    published, _ = model_of(
        f"{name.removesuffix('_' + defect)}_published"
        if defect != "none"
        else name
    )
    x = torch.randn(2, 64, 80 if name.startswith("whisper/") else 128)
    for one in (encoder, published):
        generator = torch.Generator().manual_seed(1)
        if defect in ("block", "twice"):
            with torch.no_grad():
                for parameter in one.parameters():
                    if parameter.requires_grad:
                        noise = torch.randn(
                            parameter.shape, generator=generator
                        )
                        parameter += 0.1 * noise
    different = not torch.allclose(encoder(x), published(x), atol=1e-6)
    assert different == (defect not in OTHERS | {"none"})


def test_a_mixture_is_added_at_the_end_too():
    encoder, _ = model_of("soft_moa_twice")
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.requires_grad:
                parameter += 0.1
    block = encoder.encoder.blocks[0]
    x = torch.randn(2, 9, 32)
    seen = block.norm1(x)
    moa = block.attn.block(seen)
    middle = x + block.attn.pretrained_module(seen) + moa
    expected = middle + block.mlp(block.norm2(middle)) + moa
    torch.testing.assert_close(block(x), expected)


def test_a_method_without_the_defect_is_refused(esc50, tmp_path):
    argv = [str(HPARAMS / "lora_published.yaml"), "--defect=twice"]
    argv += [f"--data_folder={esc50}", f"--output_folder={tmp_path}"]
    with pytest.raises(InputError, match="defect=twice"):
        load_train(RECIPE).main([*argv, *TINY])
    with pytest.raises(InputError, match="defect='other' is not one of"):
        load_train(RECIPE).main([*argv[:1], "--defect=other", *argv[2:], *TINY])


@pytest.mark.parametrize(
    "name", ["conformer_block", "soft_moa_twice", "bottleneck_positions"]
)
def test_a_run_with_a_defect_is_of_no_use_elsewhere(name, esc50, tmp_path):
    """It was taken for one without, whose answers are others."""
    argv = [str(HPARAMS / f"{name}.yaml"), f"--data_folder={esc50}"]
    load_train(RECIPE).main([*argv, f"--output_folder={tmp_path}", *TINY])
    again = load_train(RECIPE).main(
        [*argv, f"--output_folder={tmp_path}", *TINY, "--test_only"]
    )
    assert again["tested_epoch"]  # goes on as itself
    with pytest.raises(InputError, match=f"defect_{name.rpartition('_')[2]}"):
        AudioClassifier.from_run(tmp_path)


@pytest.mark.parametrize("name", ["bottleneck_last", "bottleneck_test_fold"])
def test_which_epoch_is_tested(name, esc50, tmp_path):
    argv = [str(HPARAMS / f"{name}.yaml"), f"--data_folder={esc50}"]
    main = load_train(RECIPE).main
    result = main([*argv, f"--output_folder={tmp_path}", *TINY])
    if name.endswith("last"):
        assert result["tested_epoch"] == 2 and result["select"] is None
    else:
        best = max(e["valid"]["accuracy"] for e in result["history"])
        assert result["metrics"]["accuracy"] == pytest.approx(best)


@pytest.mark.parametrize("name", [f for f in FILES if f.startswith("whisper/")])
def test_whisper_has_the_rest_of_its_method_files(name):
    """A defect is all that differs from the recipe for Whisper."""
    ours = read_yaml(HPARAMS / f"{name}.yaml")
    method = ours["method"].removesuffix(f"_{ours['defect']}")
    method = method.removesuffix("_published")
    other = HPARAMS.parents[1] / "hparams" / "whisper" / f"{method}.yaml"
    added = {"method", "defect"}
    assert plain({k: v for k, v in ours.items() if k not in added}) == plain(
        {k: v for k, v in read_yaml(other).items() if k != "method"}
    )


@pytest.mark.parametrize("place", ["", "whisper"])
def test_all_else_is_the_recipe_above(place):
    ours = (HPARAMS / place / BASE).read_text().splitlines()
    above = HPARAMS.parents[1] / "hparams" / place / BASE
    theirs = above.read_text().splitlines()
    ours = [line for line in ours if not line.startswith(("#", "defect: "))]
    assert ours == [line for line in theirs if not line.startswith("#")]


def plain(tree):
    return {key: plain_tree(value) for key, value in tree.items()}


def table_of(monkeypatch):
    """The recipe's table.py; the campaign of a GPU has a module of that name."""
    monkeypatch.delitem(sys.modules, "table", raising=False)
    monkeypatch.syspath_prepend(str(RECIPE))
    return importlib.import_module("table")


def test_the_table_pairs_runs(tmp_path, monkeypatch):
    def keep(method, accuracies, **more):
        make_folds(tmp_path, method, accuracies, folds=5, **more)

    table = table_of(monkeypatch)
    keep("soft_moa_published", [0.5, 0.6, 0.8])
    keep("soft_moa_twice", [0.4, 0.6, 0.5])
    keep("conformer_published", [0.4, 0.5], shots=1)
    keep("conformer_block", [0.5, 0.5], shots=2)  # another task
    keep("lora_published", [0.4])
    keep("lora_test_fold", [0.4])  # nothing to take a mean of
    keep("convpass_published", [0.4, 0.5], dataset="ESC-50")
    keep("convpass_block", [0.4, 0.5])  # other sounds
    text = table.table(tmp_path)
    steps = [-10.0, 0.0, -30.0]
    t = np.mean(steps) / (np.std(steps, ddof=1) * (1 / 3 + 1 / 3) ** 0.5)
    p = 2 * t_distribution.cdf(t, 2)
    assert text.splitlines()[2:] == [
        "| soft_moa_twice | 50.0 ± 10.0 | 63.3 ± 15.3 "
        f"| \\-13.3 ± 15.3 | {p:.3f} | 3 |"
    ]
    path = next(tmp_path.rglob("result.json"))
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match=str(tmp_path)):
        table.table(tmp_path)


def test_the_page_has_the_table_of_the_runs_that_are_kept(monkeypatch):
    table = table_of(monkeypatch)

    text = table.table(RECIPE / "kept")
    assert len(text.splitlines()) > 4
    assert text in (RECIPE / "README.md").read_text(encoding="utf-8")
