"""base <- method <- command line."""

import re

import pytest
from small_recipe import parse, refusal
from speechbrain_petl import InputError
from speechbrain_petl.recipe.method_files import override
from speechbrain_petl.recipe.parsing import parse_recipe


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


def test_another_tag_replaces_what_is_there(folder):
    """At any depth: it is not merged into what the method file has."""
    (folder / "lora.yaml").write_text(
        "method: lora\npetl: {wrap: {qkv: !name:a.LoRA {rank: 6, alpha: 16}}}\n"
    )
    _, tree = parse(folder, "--petl={wrap: {qkv: !name:a.DoRA {rank: 3}}}")
    assert tree["petl"]["wrap"]["qkv"].tag.value == "!name:a.DoRA"
    assert dict(tree["petl"]["wrap"]["qkv"]) == {"rank": 3}
    _, tree = parse(folder, "--petl={wrap: {qkv: {rank: 3}}}")
    assert tree["petl"]["wrap"]["qkv"].tag.value == "!name:a.LoRA"
    assert dict(tree["petl"]["wrap"]["qkv"]) == {"rank": 3, "alpha": 16}


def test_a_list_replaces_a_word_and_a_mapping_null(folder):
    _, tree = parse(folder, "--size=[32,2,2]")
    assert tree["size"] == [32, 2, 2]
    (folder / "more.yaml").write_text("petl:\n    wrap:\n")
    assert override(folder / "more.yaml", {"petl": {"wrap": {"a": 1}}}) == {
        "petl": {"wrap": {"a": 1}}
    }


def test_ways_to_write_an_option(folder):
    run_opts, tree = parse(folder, "--seed", "3", "--debug", "--lr", "1")
    assert run_opts.debug and (tree["seed"], tree["lr"]) == (3, 1)
    _, tree = parse(folder, "--seed=3", "--seed=4", "--seed", "5")
    assert tree["seed"] == 5
    run_opts, _ = parse(folder, "--precision=fp16", "--precision=bf16")
    assert run_opts.precision == "bf16"


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        "/day=2026/x",
        "a=b=c",
        "../a: b",
        "~/it's #1 {x}",
        "sounds #2",
        "#3",
        "--ab",
    ],
)
def test_a_value_is_not_cut(folder, value, split):
    options = ["--size", value] if split else [f"--size={value}"]
    if split and value.startswith("--"):
        assert "ab is no key" in refusal(folder, *options)
    else:
        assert parse(folder, *options)[1]["size"] == value


@pytest.mark.parametrize(
    "value, meant",
    [("out #1/<method>", "out #1/lora"), ("/it's #1/<seed>", "/it's #1/1")],
)
def test_a_reference_is_not_cut(folder, value, meant):
    _, tree = parse(folder, f"--output_folder=!ref {value}")
    assert tree["output_folder"] == meant


def test_a_file_without_references_is_no_run(folder):
    """It was taken for one, whose settings are not to be changed."""
    (folder / "base.yaml").unlink()
    (folder / "lora.yaml").write_text(
        "lr: 0.1\ndata_folder: a\noutput_folder: b"
    )
    assert parse(folder, "--lr=0.2")[1]["lr"] == 0.2


def test_a_letter_of_another_code_is_in_a_comment(folder):
    (folder / "lora.yaml").write_bytes("# café\nlr: 0.1".encode("latin-1"))
    assert parse(folder, "--method=a")[1]["lr"] == 0.1


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
        (["--petl={train: [norm.*"], "no valid yaml at `petl: {train: "),
        (["--petl=}"], "the command line is no valid yaml at `petl: }`"),
        (["--size=a: b"], "no valid yaml at `size: a: b`"),
        (["--seed=one"], "seed=one: .*base.yaml has 1 .* a whole number"),
        (["--seed=1.5"], "seed=1.5: .* a whole number"),
        (["--seed=True"], "seed=True: .* a whole number"),
        (["--seed="], "seed=null: .* a whole number"),
        (["--lr=.nan"], "lr=nan: .* has 0.1 there, give a number"),
        (["--lr=.inf"], "lr=inf: .* give a number"),
        (["--lr=fast"], "lr=fast: .* has 0.1 there, give a number"),
        (["--debug_me=yes"], "debug_me=yes: .* give True or False"),
        (["--debug_me=1"], "debug_me=1: .* give True or False"),
        (["--data_folder="], "leaves data_folder to you"),
        (["--petl="], "petl=null: .* has a mapping there"),
        (["--size={a: 1}"], "size: a mapping cannot replace `base`. Change"),
        (["--petl=[1]"], "petl=.* has a mapping there"),
        (
            ["--opt_class={weight_decay: x}"],
            "opt_class: weight_decay=x: .* 0.1",
        ),
        (["--opt_class={weight_decay: .nan}"], "weight_decay=nan: .* a number"),
        (["--petl={wrap: 5}"], "petl: wrap=5: .* a mapping there"),
        (["--output_folder=/etc/passwd"], "output_folder=/etc/passwd is a fil"),
        (["--precision=fp16", "--device=cpu"], "fp16 needs a GPU: bf16 runs"),
        (["--device=cuda:99"], "--device=cuda:99 is not there"),
        (["--device=gpu"], "--device=gpu is not there"),
        (["--device="], "--device= is empty"),
        (["--lr=.nan"], "lr=nan: .* give a number"),
        (["--lr=.inf"], "lr=inf: .* give a number"),
        (["--grad_accumulation_factor=-2"], "-2: give a whole number, 1 or m"),
        (["--optimizer_step_limit=many"], "many: give a whole number, 1 or m"),
        (["--debug_batches=-1"], "--debug_batches=-1: give a whole number"),
        (["--ckpt_interval_steps", "1.5"], "1.5: give a whole number, 0 or m"),
        (["--max_grad_norm=nan"], "max_grad_norm=nan: give a number"),
        (["--precision=fp12"], "fp12. is not one of fp32, .* Did you mean"),
        (["--eval_precision="], "--eval_precision='' is not one of fp32"),
        (["--compile_mode=x"], "--compile_mode='x' is not one of defau"),
        (["--log_config=/no.yaml"], "log_config=/no.yaml: there is no such"),
        (["--auto_mix_prec"], "--auto_mix_prec needs a GPU: --precision=bf16"),
        (["--data_parallel_backend"], "--data_parallel_backend: start .* torc"),
        (["--jit"], "--jit: .* take --compile"),
        (["--seed=-1"], "seed=-1: give 0 to 4294967295"),
        (["--seed=4294967296"], "seed=4294967296: give 0 to 4294967295"),
        (["--size=5"], "size=5: .* has base there, give a text, a number in"),
        (["--size=True"], "size=True: .* give a text"),
        (["--data_folder=12"], "data_folder=12: give a path, a number in quo"),
        (["--data_folder=[a]"], "data_folder=.*: give a path"),
        (["--output_folder="], "output_folder=null: give a path"),
        (["--output_folder=5"], "output_folder=5: give a path"),
        (["--output_folder={a: 1}"], "a mapping cannot replace"),
        (
            ["--output_folder=out/<method>"],
            "<method>: .* write --output_folder='!ref out/<method>'",
        ),
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


def test_a_class_is_replaced_with_its_arguments(folder):
    """Of an option, and of a method file; nothing of the old one is left."""
    base = folder / "base.yaml"
    text = base.read_text() + "scheduler: !name:speechbrain_petl.cosine\n"
    base.write_text(text + "brain:\n    scheduler: !ref <scheduler>\n")
    schedule = "!name:speechbrain_petl.warmup_multistep {start: 5}"
    options = [
        "--opt_class=!name:torch.optim.SGD {lr: 1, momentum: 0.9}",
        f"--scheduler={schedule}",
    ]
    _, settings = parse(folder, *options)
    assert settings["opt_class"].tag.value == "!name:torch.optim.SGD"
    assert settings["opt_class"] == {"lr": 1, "momentum": 0.9}
    for made in (settings["scheduler"], settings["brain"]["scheduler"]):
        assert made.tag.value == "!name:speechbrain_petl.warmup_multistep"
        assert made == {"start": 5}
    (folder / "own.yaml").write_text(f"method: own\nscheduler: {schedule}\n")
    _, settings = parse(folder, "--scheduler={step: 2}", method="own.yaml")
    assert settings["scheduler"] == {"start": 5, "step": 2}
    assert base.read_text().startswith(text)  # as it was
    _, settings = parse(folder, "--scheduler={eta: 1}")
    assert settings["scheduler"].tag.value == "!name:speechbrain_petl.cosine"
    assert settings["scheduler"] == {"eta": 1}


@pytest.mark.parametrize("value", ["5", "Linear", "", "True"])
def test_a_class_is_replaced_by_a_class(folder, value):
    base = folder / "base.yaml"
    text = base.read_text() + "classifier: !name:torch.nn.Linear\n"
    base.write_text(text)
    with pytest.raises(InputError, match="classifier=.* give another class"):
        parse(folder, f"--classifier={value}")
    _, settings = parse(folder, "--classifier=!name:torch.nn.Identity")
    assert settings["classifier"].tag.value == "!name:torch.nn.Identity"
