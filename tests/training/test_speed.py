"""What makes a step cheap: no needless graph, few parameters to update."""

import pytest
from adapter_methods import METHODS, spectrograms, tiny_ast
from hyperpyyaml import load_hyperpyyaml
from method_files import ROOT, method_files
from running import arguments, run
from speechbrain_petl import PETLBrain
from speechbrain_petl.recipe.parsing import parse_recipe

BASES = sorted(ROOT.glob("*/*/hparams/**/base.yaml"))
DEEP = {"full"}  # trains the patch embedding


@pytest.mark.parametrize("name", METHODS)
def test_no_graph_below_the_lowest_trained_site(name):
    """None through the patches; none through frozen weights."""
    adapted, x = METHODS[name].adapt(tiny_ast()).train(), spectrograms()
    assert adapted.encoder.embed(x).requires_grad == (name in DEEP)
    seen = set()
    for module_name, module in adapted.encoder.named_modules():
        module.register_forward_pre_hook(
            lambda m, given, n=module_name: seen.add(n)
            if given and given[0].requires_grad
            else None
        )
    adapted(x).sum().backward()
    frozen = [p for p in adapted.parameters() if not p.requires_grad]
    assert all(p.grad is None for p in frozen)
    if name == "linear":  # not even the last LayerNorm's input
        assert not seen
    elif name in ("lora", "rslora"):
        assert "blocks.0" not in seen and "blocks.0.attn.qkv" not in seen
        assert "blocks.1" in seen


def test_optimizers_are_fused():
    """In every recipe."""
    folders = {(ROOT / path).parent for path in method_files()}
    assert {path.parent for path in BASES} >= folders
    for path in BASES:
        text = path.read_text(encoding="utf-8")
        kind = text[text.index("\nopt_class:") :].split("\nloader:")[0]
        name = "Adam" if path.parent.name == "original" else "AdamW"
        assert f"torch.optim.{name}\n" in kind and "    fused: True" in kind


def test_what_is_updated(esc50, tmp_path, monkeypatch):
    """The trainable parameters alone, by the fused kernel."""
    brains = []
    init = PETLBrain.init_optimizers
    monkeypatch.setattr(
        PETLBrain,
        "init_optimizers",
        lambda brain: (brains.append(brain), init(brain)),
    )
    run(esc50, tmp_path, "--epochs=1", "--debug")
    (brain,) = brains
    (group,) = brain.optimizer.param_groups
    trained = {
        id(p)
        for m in brain.modules.values()
        for p in m.parameters()
        if p.requires_grad
    }
    assert {id(p) for p in group["params"]} == trained
    assert group["fused"] is True


@pytest.mark.parametrize(
    "option, value",
    [
        ("patch_dropout", 0.25),
        ("gradient_checkpointing", True),
        ("gradient_checkpointing", "selective"),
        ("token_merging", 0.25),
    ],
)
def test_options_of_the_command_line(option, value, tmp_path):
    """Of the encoder of any recipe for the AST."""
    argv = arguments("data", tmp_path, f"--encoder={{{option}: {value}}}")
    path, _, overrides = parse_recipe(argv)
    with open(path, encoding="utf-8") as file:
        encoder = load_hyperpyyaml(file, overrides)["encoder"]
    if option == "token_merging":
        assert encoder.blocks.ratio == value
    elif option == "patch_dropout":
        assert encoder.patch_drop.prob == value
    else:
        assert encoder.gradient_checkpointing == value
