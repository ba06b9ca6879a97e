"""A small recipe: base.yaml and one method."""

import pytest
from small_recipe import BASE_TEXT, METHOD_TEXT
from speechbrain_petl.recipe.method_files import BASE


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe's hparams with one method; where results/ is made, too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / BASE).write_text(BASE_TEXT)
    (tmp_path / "lora.yaml").write_text(METHOD_TEXT)
    return tmp_path
