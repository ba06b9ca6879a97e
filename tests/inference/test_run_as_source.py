"""A finished run, or its adapter, as the source of the next one."""

import pytest
import torch
from running import run
from speechbrain_petl import (
    AST,
    AudioClassifier,
    InputError,
    load_pretrained,
    load_pretrained_head,
)
from speechbrain_petl.inference.share import save_adapter


@pytest.mark.parametrize("method", ["lora", "full", "linear"])
def test_what_a_run_has_learned_is_the_base_of_the_next(
    method, esc50, tmp_path
):
    first = tmp_path / "first"
    run(esc50, first, method=method)
    whole = AudioClassifier.from_run(first).mods["encoder"]
    encoder = load_pretrained(AST([32, 2, 2], frames=64), first).eval()
    x = torch.randn(2, 64, 128)
    torch.testing.assert_close(encoder(x), whole(x), atol=1e-5, rtol=1e-4)
    longer = load_pretrained(AST([32, 2, 2], frames=100), str(first))
    assert (
        longer.pretrained
        and longer.pos_embed.shape[1] > encoder.pos_embed.shape[1]
    )
    second = tmp_path / "second"
    run(esc50, second, f"--source={first}", method="linear")
    found = AudioClassifier.from_run(second)  # its base is the first run
    assert found.mods["encoder"](x).shape == (2, 62, 32)


def test_an_adapter_folder_too(finished, tmp_path):
    folder = finished("ESC50")
    save_adapter(folder, tmp_path / "adapter")
    whole = AudioClassifier.from_run(folder).mods["encoder"]
    encoder = load_pretrained(AST([32, 2, 2], frames=64), tmp_path / "adapter")
    x = torch.randn(2, 64, 128)
    torch.testing.assert_close(
        encoder.eval()(x), whole(x), atol=1e-5, rtol=1e-4
    )


def test_its_classifier_too(finished):
    """The file of what it has learned was taken for a checkpoint of an AST."""
    folder = finished("AudioSet")
    names = AudioClassifier.from_run(folder).hparams.labels
    head = torch.nn.Linear(32, len(names))
    load_pretrained_head(head, folder, labels=names)
    learned = AudioClassifier.from_run(folder).mods["classifier"]
    assert torch.equal(head.weight, learned.weight)
    with pytest.raises(InputError, match="in another order, such as"):
        load_pretrained_head(head, folder, labels=names[::-1])
    with pytest.raises(InputError, match="has the head"):
        load_pretrained_head(torch.nn.Linear(32, 3), folder)


def test_what_cannot_be_folded_is_named(esc50, tmp_path):
    run(esc50, tmp_path / "first", method="bottleneck")
    with pytest.raises(InputError, match="Adapter cannot be folded"):
        load_pretrained(AST([32, 2, 2], frames=64), tmp_path / "first")


def test_a_run_that_does_not_fit_is_named(finished):
    """Not the file that is written in between."""
    folder = finished("ESC50")
    with pytest.raises(InputError) as error:
        load_pretrained(AST((64, 2, 2), frames=64), folder)
    assert str(error.value).startswith(f"{folder} does not fit AST of dim 64")
