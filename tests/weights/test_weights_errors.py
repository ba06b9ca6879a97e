"""Checkpoints that do not fit, and what is said about them."""

import json
import re

import pytest
import timm
import torch
from checkpoints import SIZE, hf_config, official, refusal
from speechbrain_petl.errors import InputError
from speechbrain_petl.lobes.ast import AST
from speechbrain_petl.weights.loading import save_pretrained
from transformers import ASTForAudioClassification


def test_another_size_is_refused(tmp_path):
    file = str(save_pretrained(AST(SIZE), tmp_path / "ast.safetensors"))
    deeper = AST((SIZE[0], 3, SIZE[2]), frames=64)
    refusal(
        file,
        *(
            "ast.safetensors",
            "depth 3",
            "missing: blocks.2.norm1.weight",
            "and 9 more",
        ),
        *("`ast_size`", "Accepted are", "Hugging Face", ".pth", "DeiT"),
        encoder=deeper,
    )
    shallower = AST((SIZE[0], 1, SIZE[2]), frames=64)
    refusal(file, "unexpected: blocks.1", "depth 1", encoder=shallower)
    wider = AST((96, *SIZE[1:]), frames=64)
    refusal(
        file,
        *("dim 96", "of another shape: cls_token (1, 1, 48) instead of"),
        *("(1, 1, 96)", "pos_embed (1, token, 48)"),
        encoder=wider,
    )


def test_an_unknown_key_is_refused(tmp_path):
    encoder = AST(SIZE)
    state = {**encoder.state_dict(), "fc_norm.weight": torch.ones(48)}
    torch.save(state, tmp_path / "ast.pt")
    refusal(tmp_path, "ast.pt", "unexpected: fc_norm.weight")
    state = official(encoder)
    state["module.v.headroom.weight"] = torch.ones(1)
    torch.save(state, tmp_path / "ast.pt")
    refusal(tmp_path, "ast.pt", "unexpected: headroom.weight")


def test_a_plain_deit_has_no_distillation_token(tmp_path):
    deit = timm.create_model("deit_tiny_patch16_224", depth=1)
    torch.save(deit.state_dict(), tmp_path / "deit.pth")
    size = (192, 1, 3)
    refusal(tmp_path, "missing: dist_token", encoder=AST(size, frames=64))


def test_a_foreign_state_dict_is_refused(tmp_path):
    state = {f"conv{i}.weight": torch.ones(2) for i in range(9)}
    torch.save(state, tmp_path / "resnet.pt")
    words = "no weights of an AST", "conv0.weight", "and 6 more"
    refusal(tmp_path, "resnet.pt", *words, "Accepted are")


def test_a_table_of_unknown_patches_is_refused(tmp_path):
    source = AST(SIZE, frames=300)
    torch.save(official(source), tmp_path / "esc.pth")
    words = "esc.pth", "348 patches", "12 x 101", "8 x 64", "source_input"
    refusal(tmp_path, *words)


def test_a_config_that_disagrees_is_refused(tmp_path):
    ASTForAudioClassification(hf_config()).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "max_length": 500}))
    refusal(tmp_path, "1212 patches", "12 x 49", "config.json")
    file.write_text("{max_length")
    refusal(tmp_path, str(file), "not a JSON object")


def test_weights_are_saved_as_safetensors_only(tmp_path):
    with pytest.raises(InputError, match=re.escape(".safetensors")):
        save_pretrained(AST(SIZE, frames=64), tmp_path / "ast.pt")
