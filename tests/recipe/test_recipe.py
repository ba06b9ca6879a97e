"""base <- method <- command line, for every recipe and method file there is."""

import io
import re

import pytest
from hyperpyyaml import load_hyperpyyaml, resolve_references
from method_files import ROOT
from ruamel.yaml import YAML
from speechbrain_petl import InputError
from speechbrain_petl.recipe import (
    command_line,
    hparams as recipe,
)
from speechbrain_petl.recipe.hparams import BASE, export, merge, parse_recipe

FOLDERS = sorted(
    path.parent
    for place in ("recipes", "templates")
    for path in (ROOT / place).glob(f"*/hparams/{BASE}")
)
METHODS = sorted(
    path
    for folder in FOLDERS
    for path in folder.rglob("*.yaml")
    if path.name != BASE
)
BASE_TEXT = """\
seed: 1
lr: 0.1
debug_me: False
data_folder: !PLACEHOLDER
method: !PLACEHOLDER
output_folder: !ref results/<method>
size: base
opt_class: !name:torch.optim.AdamW
    weight_decay: 0.1
petl:
    wrap: {}
    train: []
"""


def path_id(path):
    """ESC50/hparams/lora.yaml"""
    return "/".join(path.relative_to(ROOT).parts[1:])


def plain(text):
    """A yaml document as nested (tag, value), without its comments."""

    def visit(node):
        if hasattr(node, "value") and not hasattr(node, "items"):
            children = node.value
        elif hasattr(node, "items"):
            children = {key: visit(value) for key, value in node.items()}
        elif isinstance(node, list):
            children = [visit(value) for value in node]
        else:
            children = node
        tag = getattr(node, "tag", None)
        return getattr(tag, "value", None), children

    return visit(YAML().load(text))


@pytest.fixture
def folder(tmp_path):
    """A recipe's hparams with one method."""
    (tmp_path / BASE).write_text(BASE_TEXT)
    (tmp_path / "lora.yaml").write_text(
        "method: lora\nlr: 0.005\n"
        'petl:\n    wrap:\n        "*.qkv": !name:torch.nn.Identity\n'
    )
    return tmp_path


def parse(folder, *options, method="lora.yaml"):
    """The resolved yaml of a command line."""
    argv = [str(folder / method), "--device=cpu", *options]
    if not any("data_folder" in option for option in options):
        argv.append("--data_folder=here")
    base, run_opts, overrides = parse_recipe(argv)
    with open(base, encoding="utf-8") as file:
        return run_opts, YAML().load(resolve_references(file, overrides))


def refusal(folder, *options, **which):
    """The one line that a wrong command line is answered with."""
    with pytest.raises(InputError) as error:
        parse(folder, *options, **which)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_there_are_recipes():
    names = {folder.parent.name for folder in FOLDERS}
    assert {"ESC50", "audio_classification"} <= names


def test_the_order_is_base_method_command_line(folder):
    run_opts, tree = parse(folder, "--seed=7", "--precision=bf16")
    assert (tree["seed"], tree["lr"]) == (7, 0.005)
    assert tree["output_folder"] == "results/lora"
    assert run_opts.precision == "bf16" and run_opts.device == "cpu"
    _, tree = parse(folder, "--lr=1e-3", "--method=mine")
    assert (tree["lr"], tree["output_folder"]) == (1e-3, "results/mine")


def test_nested_overrides_are_merged(folder):
    _, tree = parse(folder, "--petl={train: [norm.*]}")
    assert tree["petl"]["train"] == ["norm.*"]
    assert tree["petl"]["wrap"]["*.qkv"].tag.value == "!name:torch.nn.Identity"


def test_a_list_replaces_a_word_and_a_mapping_null(folder):
    _, tree = parse(folder, "--size=[32,2,2]")
    assert tree["size"] == [32, 2, 2]
    (folder / "more.yaml").write_text("petl:\n    wrap:\n")
    assert merge(folder / "more.yaml", {"petl": {"wrap": {"a": 1}}}) == {
        "petl": {"wrap": {"a": 1}}
    }


def test_ways_to_write_an_option(folder):
    run_opts, tree = parse(folder, "--seed", "3", "--debug", "--lr", "1")
    assert run_opts.debug and (tree["seed"], tree["lr"]) == (3, 1)
    _, tree = parse(folder, "--seed=3", "--seed=4", "--seed", "5")
    assert tree["seed"] == 5
    run_opts, _ = parse(folder, "--precision=fp16", "--precision=bf16")
    assert run_opts.precision == "bf16"


def test_a_method_file_below_the_base(folder):
    (folder / "more").mkdir()
    (folder / "more" / "full.yaml").write_text("method: full")
    _, tree = parse(folder, method="more/full.yaml")
    assert tree["method"] == "full"


@pytest.mark.parametrize(
    "options, words",
    [
        (["--epoch=3"], "epoch is no key of .*base.yaml. It has: seed, lr"),
        (["--sed=3"], "sed is no key .* Did you mean seed?"),
        (["--dev=cpu"], "--dev would be taken for SpeechBrain's --device"),
        (["--optimizer=adamw"], "taken for .* --optimizer_step_limit"),
        (["--max_grad=1"], "taken for .* --max_grad_norm"),
        (["--test=1"], "taken for .* --test_only"),
        (["--debug=True"], "--debug takes no value, drop `=True`"),
        (["--debug", "True"], "True: options are written --key=value"),
        (["seed=3"], "seed=3: options are written --key=value"),
        (["-seed=3"], "-seed=3: options are written --key=value"),
        (["--size=a?b=1"], "--size=a.b=1: SpeechBrain would cut"),
        (["--size", "a?b=1"], "a.b=1: options are written"),
        (["--petl={train: [norm.*"], "no valid yaml at `petl: {train: "),
        (["--petl=}"], "the command line is no valid yaml at `petl: }`"),
        (["--size=a: b"], "no valid yaml at `size: a: b`"),
        (["--seed=one"], "seed=one: .*base.yaml has 1 .* a whole number"),
        (["--seed=1.5"], "seed=1.5: .* a whole number"),
        (["--seed=True"], "seed=True: .* a whole number"),
        (["--seed="], "seed=null: .* a whole number"),
        (["--lr=fast"], "lr=fast: .* has 0.1 there, give a number"),
        (["--debug_me=yes"], "debug_me=yes: .* give True or False"),
        (["--debug_me=1"], "debug_me=1: .* give True or False"),
        (["--data_folder="], "leaves data_folder to you"),
        (["--petl="], "petl=null: .* has a mapping there"),
        (["--size={a: 1}"], "size: a mapping cannot replace `base`. Change"),
        (["--petl=[1]"], "petl=.* has a mapping there"),
        (
            ["--opt_class=!name:torch.optim.SGD {lr: 1}"],
            "opt_class: !name:torch.optim.SGD .* cannot replace !name:torch.o",
        ),
        (["--output_folder=/etc/passwd"], "output_folder=/etc/passwd is a fil"),
        (["--precision=fp16", "--device=cpu"], "fp16 needs a GPU: bf16 runs"),
        (["--device=cuda:99"], "--device=cuda:99 is not there"),
        (["--device=gpu"], "--device=gpu is not there"),
    ],
)
def test_wrong_options(folder, options, words):
    assert re.search(words, refusal(folder, *options))


def test_wrong_method_files(folder):
    for name, text, words in (
        ("list.yaml", "- a\n", "is no set of `key: value`"),
        ("typo.yaml", "lrr: 1\n", "lrr is no key of"),
        ("kind.yaml", "lr: fast\n", "lr=fast"),
        ("open.yaml", "petl: {wrap: [\n", "open.yaml is no valid yaml"),
        ("tabs.yaml", "petl:\n\twrap: 1\n", "tabs.yaml is no valid yaml"),
        ("twice.yaml", "lr: 1\nlr: 2\n", "twice.yaml is no valid yaml"),
        ("none.yaml", "lr: 1\n", "leaves method to you: add --method=..."),
    ):
        (folder / name).write_text(text)
        assert words in refusal(folder, method=name), name
    message = refusal(folder, method="lroa.yaml")
    assert "no method file" in message and "Did you mean lora.yaml" in message
    message = refusal(folder, method="none/lora.yaml")
    assert "no method file" in message
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "deep.yaml").write_text("method: deep")
    assert "has no base.yaml" in refusal(folder, method="a/b/deep.yaml")


def test_the_method_file_comes_first(folder):
    with pytest.raises(InputError, match="--seed=3: the method file comes"):
        parse_recipe(["--seed=3", str(folder / "lora.yaml")])


def test_run_options_are_mended(folder):
    """What SpeechBrain 1.1 takes and then stumbles over."""
    run_opts, _ = parse(folder, "--optimizer_step_limit=3")
    assert run_opts.optimizer_step_limit == 3
    assert run_opts.distributed_backend == "gloo"
    run_opts, _ = parse(folder, "--distributed_backend=mpi")
    assert run_opts.distributed_backend == "mpi"
    run_opts, _ = parse(folder, "--ckpt_interval_steps=3")
    assert "ckpt_interval_minutes" in run_opts.overridden_args
    assert run_opts.ckpt_interval_minutes == 0


@pytest.mark.parametrize("failing", [True, False])
def test_run_prints_one_line_and_exits_with_1(monkeypatch, failing):
    def main(argv):
        if failing:
            raise InputError(f"first\n  second {argv}")

    monkeypatch.setattr(recipe.sys, "argv", ["train.py", "a"])
    if not failing:
        return recipe.run(main)
    with pytest.raises(SystemExit) as stop:
        recipe.run(main)
    assert stop.value.code == "error: first second ['a']"


def test_what_a_yaml_cannot_build_is_one_line(folder, monkeypatch):
    """A typo in a class or an argument, but no other error."""

    def main(argv):
        base, _, overrides = parse_recipe(argv)
        with open(base, encoding="utf-8") as file:
            load_hyperpyyaml(file, overrides)
        raise TypeError("a bug")

    for option, kind, words in (
        ("--petl={a: !new:speechbrain_petl.ASTT {}}", SystemExit, "ASTT"),
        (
            "--petl={a: !new:speechbrain_petl.AST {stride: 3}}",
            SystemExit,
            "'stride'",
        ),
        ("--petl={a: !new:speechbrain_petl.AST {size: b}}", SystemExit, "='b'"),
        ("--size=3", TypeError, "a bug"),
    ):
        argv = [str(folder / "lora.yaml"), "--data_folder=here", option]
        monkeypatch.setattr(recipe.sys, "argv", ["train.py", *argv])
        with pytest.raises(kind, match=words):
            recipe.run(main)


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
    ],
)
def test_other_settings_in_the_same_folder(folder, option, words):
    with pytest.raises(InputError, match=words) as error:
        other_settings(folder, option)
    assert "another --output_folder" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_option_is_named_not_what_refers_to_it(tmp_path):
    """``brain`` and others hold the value too, and come first in the alphabet."""
    argv = [str(ROOT / "recipes/ESC50/hparams/lora.yaml"), "--data_folder=a"]
    argv += [f"--output_folder={tmp_path}", "--source=null"]
    base, _, overrides = parse_recipe(argv)
    with open(base, encoding="utf-8") as file:
        text = resolve_references(file, overrides).getvalue()
    (tmp_path / "hyperparams.yaml").write_text(text)
    (tmp_path / "CKPT+1").mkdir()
    parse_recipe([*argv, "--cache_folder=moved"])
    with pytest.raises(InputError, match="`weight_decay: 0.1` where .* 0.2`"):
        parse_recipe([*argv, "--weight_decay=0.2"])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.parent.name)
def test_no_key_is_taken_for_a_run_option(folder):
    """argparse takes every beginning of an option for the option."""
    for path in folder.rglob("*.yaml"):
        for key in YAML().load(path.read_text()) or ():
            longer = [o for o in command_line.OPTIONS if o.startswith(key)]
            assert not longer or key == "ckpt_interval_minutes", (path, key)


@pytest.mark.parametrize("method", METHODS, ids=path_id)
def test_every_method_file_loads_and_exports(method, tmp_path):
    """The exported file is base and method in one, and loads by itself."""
    tree = YAML().load((method.parent / BASE).read_text())
    options = {"output_folder": str(tmp_path), "method": method.stem}
    if "ast_size" in tree:
        options["ast_size"] = [32, 2, 2]
    if "source" in tree:
        options["source"] = None
    for key, value in tree.items():
        if getattr(getattr(value, "tag", None), "value", "") == "!PLACEHOLDER":
            options.setdefault(key, str(tmp_path))
    del options["method"]  # the file says it
    words = [f"--{k}={'null' if v is None else v}" for k, v in options.items()]
    base, _, overrides = parse_recipe([str(method), *words])
    with open(base, encoding="utf-8") as file:
        two = resolve_references(file, overrides).getvalue()
    flat = export(method, options)
    assert plain(resolve_references(flat).getvalue()) == plain(two)
    loaded = load_hyperpyyaml(flat)
    assert loaded["method"] == method.stem
    assert set(loaded["petl"]) <= {"wrap", "train"}


def test_an_exported_file_needs_no_other(folder):
    """It is read as it is, and takes the command line's overrides."""
    (folder / "a" / "b").mkdir(parents=True)
    flat = folder / "a" / "b" / "lora.yaml"
    flat.write_text(export(folder / "lora.yaml"))
    path, _, overrides = parse_recipe([str(flat), "--data_folder=d"])
    assert path == str(flat) and overrides == "data_folder: d"
    assert export(flat) == export(folder / "lora.yaml")


def test_the_export_command(capsys):
    method = ROOT / "recipes" / "ESC50" / "hparams" / "lora.yaml"
    recipe.main(["export", str(method)])
    text = capsys.readouterr().out
    assert text == export(method)
    assert "# Data: the folder ESC-50-master" in text  # comments stay
    tree = YAML().load(io.StringIO(text))
    assert tree["method"] == "lora" and tree["lr"] == 0.005
    for wrong in ([], ["export"], ["import", str(method)]):
        with pytest.raises(SystemExit):
            recipe.main(wrong)
        assert "usage: python -m speechbrain" in capsys.readouterr().err
    with pytest.raises(InputError, match="no method file"):
        recipe.main(["export", "nothing.yaml"])
