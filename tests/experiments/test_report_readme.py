"""Reports: the command, the README and the embeddings of a run."""

import json
import re
from types import SimpleNamespace

import numpy
import pytest
import soundfile
import torch
from result_trees import make_folds, make_recipe, make_run
from speechbrain_petl.errors import InputError
from speechbrain_petl.experiments.report.command import main
from speechbrain_petl.experiments.report.embeddings import embed_test_set

MARKED = "# Title\n<!-- report -->\n<!-- /report -->\nend\n"


def test_readme(tmp_path, capsys):
    """The command: what is printed is what is between the markers."""
    recipe = make_recipe(tmp_path, MARKED)
    make_folds(recipe / "results", "lora", [0.5, 0.6, 0.7])
    make_folds(recipe / "results", "linear", [0.3, 0.2])
    main([str(recipe)])
    printed = capsys.readouterr().out
    text = (recipe / "README.md").read_text()
    start, _, rest = text.partition("<!-- report -->")
    block, _, end = rest.partition("<!-- /report -->")
    assert start == "# Title\n" and end == "\nend\n"
    assert block.strip() in printed and "README.md is updated" in printed
    assert "linear: incomplete" in block
    links = re.findall(r"\]\((report/.*?\.png)\)", block)
    assert len(links) == 3
    for link in links:
        assert (recipe / link).read_bytes()[1:4] == b"PNG"
    main([str(recipe)])
    assert (recipe / "README.md").read_text() == text
    assert "README.md is up to date" in capsys.readouterr().out
    assert not list(recipe.rglob("*.part"))


def test_readme_by_dataset(tmp_path, capsys):
    """Each data set has its place; one without results stays as it is."""
    marks = "<!-- report {} -->\nold {}\n<!-- /report -->\n"
    names = ("ESC-50", "ESC-10", "ESC-5")
    recipe = make_recipe(tmp_path, "".join(marks.format(n, n) for n in names))
    for name in ("ESC-10", "ESC-50", "ESC-2"):
        make_run(recipe / "results", dataset=name, place=name, history=[])
    main([str(recipe)])
    text = (recipe / "README.md").read_text()
    parts = re.findall(r"<!-- report (\S+) -->(.*?)<!-- /report", text, re.S)
    assert [name for name, _ in parts] == list(names)
    assert "**ESC-50," in parts[0][1] and "**ESC-10," not in parts[0][1]
    assert "**ESC-10," in parts[1][1] and "old ESC" not in parts[1][1]
    assert parts[2][1] == "\nold ESC-5\n"
    printed = capsys.readouterr().out
    assert "no results of ESC-5, left as it was" in printed
    assert "has no `<!-- report ESC-2 -->`" in printed


def test_readme_without_markers(tmp_path, capsys):
    """Is left alone, and what to add is told."""
    recipe = make_recipe(tmp_path)
    make_run(recipe / "results", history=[])
    main([str(recipe)])
    assert (recipe / "README.md").read_text() == "# Title\n"
    printed = capsys.readouterr().out
    assert "add the lines `<!-- report -->`" in printed and "| lora" in printed


@pytest.mark.parametrize(
    "readme",
    [
        "<!-- report -->\n",
        "<!-- report -->\n<!-- report -->\n<!-- /report -->\n",
        "<!-- /report -->\n<!-- report -->\n",
    ],
)
def test_readme_with_half_a_pair(tmp_path, readme):
    """Is refused, not guessed at."""
    recipe = make_recipe(tmp_path, readme)
    make_run(recipe / "results", history=[])
    with pytest.raises(InputError, match="no pairs"):
        main([str(recipe)])
    assert (recipe / "README.md").read_text() == readme


def test_nothing_to_report(tmp_path):
    """No folder, or nothing but broken results."""
    recipe = make_recipe(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        main([str(recipe)])
    folder = make_run(recipe / "results")
    (folder / "result.json").write_text("{")
    with pytest.raises(InputError, match="lora/fold1_seed1.*result.json"):
        main([str(recipe)])
    with pytest.raises(InputError, match="is no recipe"):
        main([str(tmp_path)])


class Ears:
    """Stands for a classifier: an embedding is the length and the mean."""

    mods = {"fbank": SimpleNamespace(samples=1600)}

    def encode_batch(self, wavs, wav_lens):
        """(clip, 2)"""
        samples = wav_lens * wavs.shape[1]
        return torch.stack([samples, wavs.sum(dim=1) / samples], dim=1)


def test_embeddings(tmp_path):
    """Each clip of the test set, in order, from where its window starts."""
    entries = {}
    for i in range(5):
        samples = numpy.full(2400, 0.1 * i)
        soundfile.write(tmp_path / f"{i}.wav", samples, 16000, "FLOAT")
        entries[str(i)] = {
            "wav": str(tmp_path / f"{i}.wav"),
            "label": "ab"[i % 2],
            "start": 0.1 if i == 4 else 0.0,
        }
    manifest = tmp_path / "run/save/test.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps(entries))
    clips, labels = embed_test_set(tmp_path / "run", Ears(), batch_size=2)
    assert labels == list("ababa")
    assert numpy.allclose(clips[:, 1], [0, 0.1, 0.2, 0.3, 0.4], atol=1e-4)
    assert clips[:, 0].tolist() == [1600, 1600, 1600, 1600, 800]
    (tmp_path / "4.wav").unlink()
    with pytest.raises(InputError, match="4.wav any more"):
        embed_test_set(tmp_path / "run", Ears())
    manifest.write_text(json.dumps({"0": {"wav": "x", "labels": ["a", "b"]}}))
    with pytest.raises(InputError, match="has not one label"):
        embed_test_set(tmp_path / "run", Ears())
    manifest.unlink()
    with pytest.raises(InputError, match="has no test.json"):
        embed_test_set(tmp_path / "run", Ears())


def test_embeddings_of_no_run(tmp_path):
    """A folder that is none of the runs."""
    recipe = make_recipe(tmp_path)
    folder = make_run(recipe / "results", history=[])
    with pytest.raises(InputError, match="Did you mean .*fold1_seed1"):
        main([str(recipe), f"--embeddings={folder}0"])
