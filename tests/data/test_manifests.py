"""Label sets and manifests, which all processes of a run write."""

import os

import pytest
from speechbrain_petl.data.manifests import write_entries, write_labels

from speechbrain.dataio.encoder import CategoricalEncoder


class Slow(CategoricalEncoder):
    """While it is being written, another process writes the same."""

    meanwhile = None

    def save(self, path):
        super().save(path)
        self.meanwhile()


def test_two_processes_write_the_same_labels(tmp_path, monkeypatch):
    """Under torchrun; one found the other's half-written file gone."""
    path = tmp_path / "labels.txt"
    labels, others = Slow(), CategoricalEncoder()
    for encoder in (labels, others):
        encoder.update_from_iterable(["cat", "dog"])

    def _elsewhere():
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            write_labels(path, others)

    labels.meanwhile = _elsewhere
    write_labels(path, labels)
    assert [file.name for file in tmp_path.iterdir()] == ["labels.txt"]
    found = CategoricalEncoder()
    found.load(path)
    assert found.lab2ind == {"cat": 0, "dog": 1}


def test_a_failure_leaves_the_old_manifest(tmp_path):
    path = tmp_path / "train.json"
    write_entries(path, {"a": {"label": "dog"}})
    with pytest.raises(TypeError):
        write_entries(path, {"a": {"label": object()}})
    assert "dog" in path.read_text()
