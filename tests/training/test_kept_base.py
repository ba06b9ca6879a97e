"""A run with source=null keeps the base that nobody else has."""

import pytest
import torch
from running import arguments, run
from safetensors.torch import load_file
from speechbrain_petl import AudioClassifier, InputError
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.weights.kept_base import BASE
from test_resume import EVERY_STEP, STEPS, killed_apart

import speechbrain

CPU = {"device": "cpu"}


@pytest.fixture
def another_torch(monkeypatch):
    """Call it, and random weights are other ones from then on."""

    def upgrade():
        seed, manual = speechbrain.utils.seed_everything, torch.manual_seed
        monkeypatch.setattr(
            speechbrain.utils, "seed_everything", lambda s, *a: seed(s + 7, *a)
        )
        monkeypatch.setattr(torch, "manual_seed", lambda s: manual(s ^ 1))

    return upgrade


def said(model):
    torch.set_num_threads(1)
    classifier = AudioClassifier.from_hparams(model, run_opts=CPU)
    wavs = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    return classifier.classify_batch(wavs)[0]


def test_a_run_goes_on_with_its_own_base(esc50, tmp_path, another_torch):
    output = tmp_path / "run"
    killed_apart("step", STEPS + 4, arguments(esc50, output, *EVERY_STEP))
    before = (output / "save" / BASE).read_bytes()
    another_torch()
    run(esc50, output, *EVERY_STEP)
    assert (output / "save" / BASE).read_bytes() == before
    assert said(output).shape == (2, 10)


def test_it_is_loaded_and_shared_with_it(esc50, tmp_path, another_torch):
    output = tmp_path / "run"
    run(esc50, output, "--epochs=1")
    expected = said(output)
    folder = save_adapter(output, tmp_path / "adapter")
    another_torch()
    for model in (output, folder):
        assert torch.equal(said(model), expected)
    (folder / BASE).unlink()
    with pytest.raises(InputError, match=f"holds neither {BASE}"):
        said(folder)
    content = bytearray((output / "save" / BASE).read_bytes())
    content[-1] ^= 1
    (output / "save" / BASE).write_bytes(content)
    with pytest.raises(InputError, match=f"{BASE} is damaged"):
        said(output)


def test_the_base_of_what_has_not_begun_is_not_kept(esc50, tmp_path):
    """A command that was refused, or killed at once, and another seed."""
    argv = esc50, tmp_path / "run"
    with pytest.raises(InputError, match="learning rate"):
        run(*argv, "--lr=-1", "--seed=2")
    run(*argv, "--epochs=1")
    run(esc50, tmp_path / "another", "--epochs=1")
    one, other = (
        load_file(tmp_path / name / "save" / BASE)
        for name in ("run", "another")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_what_others_have_is_not_kept(esc50, tmp_path):
    """Weights that were loaded, and a base that has been learned anew."""
    run(esc50, tmp_path / "run", "--epochs=1", method="full")
    assert not (tmp_path / "run" / "save" / BASE).exists()
