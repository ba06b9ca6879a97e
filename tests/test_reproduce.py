"""docs/reproduce.md: generated, complete, and its lines run."""

import sys
from functools import partial

import pytest
import speechbrain_petl
import torch
from checkpoints import hf_config, official, randomise
from method_files import ROOT
from transformers import ASTForAudioClassification

sys.path.insert(0, str(ROOT / "docs"))
import reproduce  # noqa: E402


def test_the_page_is_up_to_date():
    """python docs/reproduce.py"""
    assert reproduce.PAGE.read_text(encoding="utf-8") == reproduce.page()


def test_every_published_figure_has_a_command():
    rows = reproduce.published()
    assert len(rows) >= 44 + 5
    for row in rows:
        assert (
            "recipes/" in (line := reproduce.command(row)) or "hparams/" in line
        )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """What is on the hub, and what its authors have released, both tiny."""
    folder = tmp_path_factory.mktemp("hub")
    model = ASTForAudioClassification(hf_config(num_labels=527))
    randomise(model).save_pretrained(folder)
    encoder = speechbrain_petl.AST((48, 2, 3))
    state = {k: v for k, v in official(encoder).items() if "head" not in k}
    head = speechbrain_petl.NormLinear(48, 527).state_dict()
    state |= {f"module.mlp_head.{k}": v for k, v in head.items()}
    torch.save(state, folder / "audioset_10_10_0.4593.pth")
    return folder


@pytest.mark.parametrize("line", [ours for _, _, ours in reproduce.COMING_FROM])
def test_our_line_runs(line, checkpoint, monkeypatch):
    for module in (
        "speechbrain_petl.lobes.ast",
        "speechbrain_petl.weights.ast_files",
    ):
        __import__(module)
        sizes = sys.modules[module].SIZES
        monkeypatch.setitem(sizes, "base384", (48, 2, 3))
    hub = checkpoint / "model.safetensors"
    names = {
        "MIT/ast-finetuned-audioset-10-10-0.4593": str(hub),
        '"audioset_10_10': f'"{checkpoint}/audioset_10_10',
        "768": "48",
    }
    for name, there in names.items():
        line = line.replace(name, there)
    scope = {n: getattr(speechbrain_petl, n) for n in dir(speechbrain_petl)}
    scope |= {"partial": partial, "wavs": torch.randn(2, 16000)}
    assert eval(line, scope) is not None
