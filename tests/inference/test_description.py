"""Descriptions: every recipe's yaml has one, as plain data."""

import json

import pytest
from finished_runs import describe_file
from method_files import ROOT, method_files
from speechbrain_petl.inference.description import FORMS, check
from speechbrain_petl.recipe.method_files import base_of
from speechbrain_petl.weights.adapter_files import FORMAT


def writes_texts(path):
    """Whether its runs are refused: `test_fluent_speech_commands.py` and
    `test_librispeech.py` say so."""
    return "\ntokenizer_folder:" in base_of(ROOT / path).read_text()


FILES = [  # the list of recipes says that none is missing
    path
    for path in method_files()
    if path.stem == "lora" and not writes_texts(path)
]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_recipe_is_described(path, tmp_path):
    """What a recipe's run leaves can be loaded and shared."""
    described = describe_file(path, tmp_path)
    assert described["labels"] == ["cat", "dog"]
    kept = json.loads(json.dumps({"format": FORMAT, **described}))
    check(kept, path)
    assert kept.keys() == {"format", *FORMS}
    assert "LoRA" in json.dumps(kept["petl"])
