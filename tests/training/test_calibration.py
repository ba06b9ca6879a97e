"""Calibration: the error, the temperature, and what a run says of them."""

import json

import pandas
import pytest
import torch
from speechbrain_petl import AudioClassifier, InputError
from speechbrain_petl.inference.reading import read_run
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.training.calibration import (
    BINS,
    answers_of,
    calibration_error,
    fit_temperature,
    measure,
    reliability,
)
from speechbrain_petl.training.predictions import PREDICTIONS, Predictions
from tiny_runs import train
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
)

CLIPS, CLASSES = 4000, 4


def drawn(activation, factor, windows=1, clips=CLIPS):
    """A model that knows its probabilities and overstates its logits."""
    generator = torch.Generator().manual_seed(0)
    logits = 1.5 * torch.randn(clips, CLASSES, generator=generator)
    if activation == "softmax":
        chosen = torch.multinomial(logits.softmax(1), 1, generator=generator)
        targets = torch.eye(CLASSES)[chosen.squeeze(1)]
    else:
        targets = torch.bernoulli(logits.sigmoid(), generator=generator)
    said = Predictions()
    names = [f"{i:05d}" for i in range(clips)]
    for _ in range(windows):
        said.add(names, factor * logits, targets)
    return said


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_error_is_that_of_torchmetrics(activation):
    said = drawn(activation, 3.0, clips=300)
    probabilities, truth = said.probabilities(activation), said.truth()
    if activation == "softmax":
        wanted = multiclass_calibration_error(
            probabilities, truth.argmax(1), CLASSES, n_bins=BINS
        )
    else:
        flat = probabilities.flatten(), truth.flatten().long()
        wanted = binary_calibration_error(*flat, n_bins=BINS)
    found = answers_of(probabilities, truth, activation)
    assert calibration_error(*found) == pytest.approx(float(wanted), abs=1e-6)
    rows = reliability(*found)
    assert sum(row[0] for row in rows) == truth.numel() / (
        CLASSES if activation == "softmax" else 1
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("factor, windows", [(3.0, 1), (0.5, 1), (3.0, 2)])
def test_the_temperature_undoes_what_was_overstated(
    activation, factor, windows
):
    said = drawn(activation, factor, windows)
    temperature = fit_temperature(said, activation)
    assert temperature == pytest.approx(factor, rel=0.1)
    found = measure(said, activation, temperature)
    assert found["ECE"] < 0.02 < 0.08 < found["ECE_without"]


def test_no_mistakes_are_no_certainty():
    """As sure as so few clips allow: (n + 1) / (n + 2)."""
    said = Predictions()
    said.add("abcdefgh", 5 * torch.eye(2)[[0, 1] * 4], torch.eye(2)[[0, 1] * 4])
    temperature = fit_temperature(said)
    probabilities = said.probabilities(temperature=temperature)
    best = probabilities.max(dim=1).values
    torch.testing.assert_close(best, torch.full_like(best, 0.95))


def test_what_is_not_finite_or_not_there_has_none():
    said = Predictions()
    assert fit_temperature(said) == 1.0
    said.add("ab", torch.tensor([[torch.nan, 0.0]] * 2), torch.eye(2))
    assert fit_temperature(said) == 1.0


def test_a_run_stores_and_uses_it(finished, tmp_path):
    """In result.json, in the adapter, in predictions.csv and in classifiers."""
    run = finished("ESC50")
    said = json.loads((run / "result.json").read_text())["calibration"]
    temperature = said["temperature"]
    assert temperature != 1.0 and said["ECE"] != said["ECE_without"]
    table = pandas.read_csv(run / PREDICTIONS)
    values = torch.tensor(table.filter(like="p(").values)
    right = torch.tensor((table["label"] == table["predicted"]).values)
    error = calibration_error(values.max(dim=1).values, right)
    assert error == pytest.approx(said["ECE"], abs=1e-5)
    folder = save_adapter(run, tmp_path / "adapter")
    wavs = torch.randn(2, 9000)
    answers = []
    for source in (run, folder):
        classifier = AudioClassifier.from_hparams(source)
        assert classifier.hparams.temperature == temperature
        answers.append(classifier.classify_batch(wavs)[0])
    classifier.hparams.temperature = 1.0
    plain = classifier.classify_batch(wavs)[0]
    assert torch.equal(*answers) and not torch.allclose(plain, answers[0])
    tempered = (plain.log() / temperature).softmax(dim=1)
    torch.testing.assert_close(answers[0], tempered)


def test_tags_have_one(finished):
    run = finished("AudioSet")
    assert read_run(run).temperature != 1.0


def test_a_trial_of_a_search_has_none(esc50, tmp_path):
    """Validation is what it is tested on."""
    more = "--esc10=True", "--epochs=1", "--brain={test_on: valid}"
    result = train("ESC50", esc50, tmp_path / "run", *more)
    assert result["calibration"]["temperature"] == 1.0


@pytest.mark.parametrize("said", ["x", "0", "-1", "nan", "inf"])
def test_a_temperature_that_is_none_is_refused(finished, said):
    saved = read_run(finished("ESC50"))
    saved.metadata["temperature"] = said
    with pytest.raises(InputError, match=f"temperature '{said}' is no number"):
        assert saved.temperature
    del saved.metadata["temperature"]  # of version 0.1
    assert saved.temperature == 1.0
