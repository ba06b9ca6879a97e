"""Statistics of a data set: what is no manifest is said in a line."""

import json

import pytest
from layouts import write_clip
from speechbrain_petl import InputError
from speechbrain_petl.experiments.stats import main, statistics


def test_the_json_of_the_original_ast(tmp_path):
    """What its get_norm_stats.py reads, and our own manifests, alike."""
    paths = []
    for number in range(3):
        write_clip(tmp_path / f"{number}.wav", target=number)
        paths.append(str(tmp_path / f"{number}.wav"))
    ours, theirs = tmp_path / "train.json", tmp_path / "datafile.json"
    ours.write_text(json.dumps({path: {"wav": path} for path in paths}))
    rows = [{"wav": path, "labels": "/m/1"} for path in paths]
    theirs.write_text(json.dumps({"data": rows}))
    mean, std = statistics(theirs)
    assert (mean, std) == statistics(ours) and std > 0


@pytest.mark.parametrize("text, words", [("{}", "no sound"), ("[", "manifest")])
def test_nothing_to_count(tmp_path, text, words):
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        main([str(path)])
