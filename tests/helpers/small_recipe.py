"""A small recipe of two yaml files, and its command line parsed."""

import pytest
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from speechbrain_petl import InputError
from speechbrain_petl.recipe.parsing import parse_recipe

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
METHOD_TEXT = """\
method: lora
lr: 0.005
petl:
    wrap:
        "*.qkv": !name:torch.nn.Identity
"""


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
