"""recipes/ESC50/defects: each defect is what it says, and a run has it."""

import pytest
import torch
from method_files import ROOT
from running import TINY, load_train
from speechbrain_petl import AdaptedEncoder, InputError
from speechbrain_petl.recipe.method_files import BASE, export

RECIPE = ROOT / "recipes" / "ESC50" / "defects"
FILES = sorted(
    p.stem for p in (RECIPE / "hparams").glob("*.yaml") if p.name != BASE
)
OTHERS = {"last", "test_fold"}  # that change no model


def model_of(name):
    """An encoder with the method and the defect of a file; and the plain one."""
    from hyperpyyaml import load_hyperpyyaml

    load_train(RECIPE)
    import defects

    options = {"data_folder": "d", "output_folder": "o", "ast_size": [32, 2, 2]}
    hparams = load_hyperpyyaml(
        export(RECIPE / "hparams" / f"{name}.yaml", {**options, "frames": 64})
    )
    torch.manual_seed(0)
    encoder = AdaptedEncoder(hparams["encoder"], **hparams["petl"])
    defects.spoil(hparams["defect"], encoder)
    return encoder.eval(), hparams["defect"]


@pytest.mark.parametrize("name", FILES)
def test_a_defect_changes_the_model(name):
    """At the start, or once the adapters are moved; published ones start plain."""
    encoder, defect = model_of(name)
    published, _ = model_of(
        f"{name.removesuffix('_' + defect)}_published"
        if defect != "none"
        else name
    )
    x = torch.randn(2, 64, 128)
    for one in (encoder, published):
        generator = torch.Generator().manual_seed(1)
        if defect in ("block", "twice"):
            with torch.no_grad():
                for parameter in one.parameters():
                    if parameter.requires_grad:
                        noise = torch.randn(
                            parameter.shape, generator=generator
                        )
                        parameter += 0.1 * noise
    different = not torch.allclose(encoder(x), published(x), atol=1e-6)
    assert different == (defect not in OTHERS | {"none"})


def test_a_mixture_is_added_at_the_end_too():
    encoder, _ = model_of("soft_moa_twice")
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.requires_grad:
                parameter += 0.1
    block = encoder.encoder.blocks[0]
    x = torch.randn(2, 9, 32)
    seen = block.norm1(x)
    moa = block.attn.block(seen)
    middle = x + block.attn.pretrained_module(seen) + moa
    expected = middle + block.mlp(block.norm2(middle)) + moa
    torch.testing.assert_close(block(x), expected)


def test_a_method_without_the_defect_is_refused(esc50, tmp_path):
    argv = [str(RECIPE / "hparams" / "lora_published.yaml"), "--defect=twice"]
    argv += [f"--data_folder={esc50}", f"--output_folder={tmp_path}"]
    with pytest.raises(InputError, match="defect=twice"):
        load_train(RECIPE).main([*argv, *TINY])
    with pytest.raises(InputError, match="defect='other' is not one of"):
        load_train(RECIPE).main([*argv[:1], "--defect=other", *argv[2:], *TINY])


@pytest.mark.parametrize("name", ["bottleneck_last", "bottleneck_test_fold"])
def test_which_epoch_is_tested(name, esc50, tmp_path):
    argv = [str(RECIPE / "hparams" / f"{name}.yaml"), f"--data_folder={esc50}"]
    main = load_train(RECIPE).main
    result = main([*argv, f"--output_folder={tmp_path}", *TINY])
    if name.endswith("last"):
        assert result["tested_epoch"] == 2 and result["select"] is None
    else:
        best = max(e["valid"]["accuracy"] for e in result["history"])
        assert result["metrics"]["accuracy"] == pytest.approx(best)
