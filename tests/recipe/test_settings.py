"""A run folder goes on with its own settings, and with no others."""

import json

import pytest
from hyperpyyaml import resolve_references
from method_files import ROOT
from small_recipe import parse
from speechbrain_petl import InputError
from speechbrain_petl.data.checksums import KEY
from speechbrain_petl.recipe.parsing import check_recipe, parse_recipe
from speechbrain_petl.recipe.settings import (
    GENERATED,
    HYPERPARAMS,
    sums_of_settings,
)


def other_settings(folder, *options):
    """Parse with options after a run with none, which left a checkpoint."""
    run = folder / "run"
    where = f"--output_folder={run}"
    (run / "save" / "CKPT+1").mkdir(parents=True)
    base, _, overrides = parse_recipe(
        [str(folder / "lora.yaml"), where, "--data_folder=here"]
    )
    with open(base, encoding="utf-8") as file:
        text = resolve_references(file, overrides).getvalue()
    (run / "hyperparams.yaml").write_text(text)
    return parse(folder, where, *options)


def test_the_same_settings_go_on(folder):
    other_settings(folder, "--data_folder=moved")


@pytest.mark.parametrize(
    "option, words",
    [
        ("--seed=2", "it had `seed: 1` where this one has `seed: 2`"),
        ("--petl={train: [a]}", "it had `petl"),
        ("--method=other", "it had `method: lora`"),
        ("--grad_accumulation_factor=2", "grad_accumulation_factor"),
        ("--max_grad_norm=1.0", "max_grad_norm"),
        ("--precision=bf16", "precision"),
        ("--eval_precision=bf16", "eval_precision"),
        ("--optimizer_step_limit=3", "optimizer_step_limit"),
        ("--remove_vector_weight_decay", "remove_vector_weight_decay"),
    ],
)
def test_other_settings_in_the_same_folder(folder, option, words):
    with pytest.raises(InputError, match=words) as error:
        other_settings(folder, option)
    assert "another --output_folder" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_is_run_again_with_its_run_options(tmp_path):
    """They were left out without a word, and refused as a key that is twice."""
    stored = tmp_path / HYPERPARAMS
    text = "output_folder: a\nrun_options: {precision: bf16, debug: true}\n"
    stored.write_text(f"{GENERATED}today\n{text}")
    same = [str(stored), "--precision=bf16", "--debug"]
    assert check_recipe(same)[-1]["run_options"]["precision"] == "bf16"
    for others in (same[:1], same[:2], [*same, "--max_grad_norm=1"]):
        with pytest.raises(InputError, match="--precision=bf16 --debug: give"):
            check_recipe(others)


def test_the_option_is_named_not_what_refers_to_it(tmp_path):
    """``brain`` and others hold the value too, and come first in the alphabet."""
    argv = [str(ROOT / "recipes/ESC50/hparams/lora.yaml"), "--data_folder=a"]
    argv += [f"--output_folder={tmp_path}", "--source=null"]
    base, _, overrides = parse_recipe(argv)
    with open(base, encoding="utf-8") as file:
        text = resolve_references(file, overrides).getvalue()
    (tmp_path / "hyperparams.yaml").write_text(text)
    (tmp_path / "CKPT+1").mkdir()
    for option in ("--cache_folder=moved", "--cache=features"):
        parse_recipe([*argv, option])  # how, not what, it computes
    with pytest.raises(InputError, match="`weight_decay: 0.1` where .* 0.2`"):
        parse_recipe([*argv, "--weight_decay=0.2"])


def test_settings_whose_writing_was_killed(folder):
    """Version 0.1 could leave an empty file beside whole checkpoints."""
    where = f"--output_folder={folder / 'run'}"
    other_settings(folder)
    (folder / "run" / "hyperparams.yaml").write_bytes(b"")
    parse(folder, where)


KEPT = sorted(ROOT.glob("recipes/ESC50/kept/**/result.json"))


def test_runs_of_before_have_their_checksums():
    """Whatever has been renamed, or may change, since they were written."""
    assert len(KEPT) > 60
    for path in KEPT:
        sums = json.loads(path.read_text())[KEY]
        now = sums_of_settings(path.parent)[HYPERPARAMS]
        assert sums[HYPERPARAMS] == now, path
