"""Statistics of a data set: what is no manifest is said in a line."""

import pytest
from speechbrain_petl import InputError
from speechbrain_petl.experiments.stats import main


@pytest.mark.parametrize("text, words", [("{}", "no sound"), ("[", "manifest")])
def test_nothing_to_count(tmp_path, text, words):
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        main([str(path)])
