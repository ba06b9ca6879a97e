"""AudioClassifier: what the run said, any file, merged or not."""

import json
import shutil

import numpy as np
import pandas
import pytest
import soundfile
import torch
from finished_runs import RUNS, SPEECH, TAGS, clips_of_test, run_of, unseal
from layouts import sound, truncated_wav
from speechbrain_petl import AudioClassifier, InputError
from speechbrain_petl.data.audio import read_audio
from speechbrain_petl.inference import answers
from speechbrain_petl.training.predictions import PREDICTIONS
from speechbrain_petl.training.results import RESULT
from tiny_runs import methods_of

CPU = {"device": "cpu"}
WINDOWED = {"BrazilianAccents", "SampleIdentification"}
# all their wrappers can be folded into the weights they wrap
MERGED = {"lora", "rslora", "dora", "ia3", "ssf", "loha", "oft"}
MERGED |= {"pissa", "olora", "eva", "lora_fa", "vera"}
CLASSES = 10
# the rest of these takes longer
KINDS = {"ESC50", "BrazilianAccents", "AudioSet", *SPEECH}
METHODS = {
    *MERGED - {"olora", "lora_fa"},
    "full",
    "conformer",
    "soft_moa",
    "token_mixer",
    "prefix",
}


def without_slow(names, kept):
    """Names for parametrize, all but some of them marked as slow."""
    assert kept < set(names)
    slow = pytest.mark.slow
    return [n if n in kept else pytest.param(n, marks=slow) for n in names]


def load(run, **kwargs):
    """The classifier of a run."""
    return AudioClassifier.from_run(run, run_opts=CPU, **kwargs)


@pytest.fixture(scope="module")
def classifier(finished):
    """Of an ESC-50 run."""
    return load(finished("ESC50"))


@pytest.fixture
def clip(tmp_path):
    """Writes a sound in a form; returns its path."""

    def write(name="a.wav", seconds=0.5, rate=16000, channels=1, **kwargs):
        x = sound(30, seconds, rate, seed=1)
        path = tmp_path / name
        soundfile.write(path, np.stack([x] * channels, 1), rate, **kwargs)
        return path

    return write


@pytest.mark.parametrize("kind", without_slow([*RUNS, *SPEECH], KINDS))
def test_equals_what_the_run_said(finished, kind):
    """Clip by clip, label by label."""
    run = finished(kind)
    classifier, clips = load(run), clips_of_test(run)
    if kind == "AudioSet":
        wanted = dict(zip(clips, json.loads((run / TAGS).read_text())))
        assert classifier.hparams.activation == "sigmoid"
    else:
        table = pandas.read_csv(run / PREDICTIONS, dtype={"id": str})
        columns = [f"p({label})" for label in classifier.hparams.labels]
        assert list(table.columns) == ["id", "label", "predicted", *columns]
        wanted = dict(zip(table["id"], table[columns].values.tolist()))
        named = dict(zip(table["id"], table["predicted"]))
    assert set(wanted) == set(clips) and len(clips) > 5
    windows = None if kind in WINDOWED else 1
    said = {k: classifier.classify_file(clips[k], windows) for k in clips}
    for key, (probabilities, score, index, names) in said.items():
        assert probabilities[0].tolist() == pytest.approx(wanted[key], abs=5e-6)
        assert score[0] == probabilities[0, index[0]] == probabilities.max()
        if kind != "AudioSet":
            assert names == [named[key]]
    assert len({f"{float(x[1]):.4g}" for x in said.values()}) > 3


def test_a_batch_is_its_clips(classifier):
    """Padded to the longest, each is as alone."""
    wavs = torch.randn(3, 9000, generator=torch.Generator().manual_seed(0))
    wav_lens = torch.tensor([1.0, 0.5, 0.25])
    together = classifier.classify_batch(wavs, wav_lens)
    embeddings = classifier.encode_batch(wavs, wav_lens)
    assert together[0].shape == (3, CLASSES) and embeddings.shape == (3, 32)
    assert together[3] == [classifier.hparams.labels[i] for i in together[2]]
    for i, share in enumerate(wav_lens):
        alone = wavs[i, : int(9000 * share)]
        torch.testing.assert_close(
            classifier.classify_batch(alone)[0][0], together[0][i]
        )
        torch.testing.assert_close(
            classifier.encode_batch(alone)[0], embeddings[i]
        )
    with pytest.raises(InputError, match=r"shape \(2, 3, 4\): give \(batch"):
        classifier.classify_batch(torch.randn(2, 3, 4))
    with pytest.raises(InputError, match=r"shape \(0, 9000\)"):
        classifier.encode_batch(wavs[:0])


def test_windows_vote(classifier, clip, finished):
    """A long file is the vote of its windows, of classes and of tags."""
    path, samples = clip(seconds=2.3), classifier.mods["fbank"].samples
    wavs = read_audio(path)
    assert len(wavs) // samples == 3
    for model in (classifier, load(finished("AudioSet"))):
        windows = [*wavs.split(samples)[:3], wavs[-samples:]]
        each = model.classify_batch(torch.stack(windows))[0]
        if model.hparams.activation == "sigmoid":
            wanted = each.mean(dim=0, keepdim=True)
        else:
            wanted = each.log().mean(dim=0, keepdim=True).softmax(dim=1)
        for size in (1, 3, 8):
            said = model.classify_file(path, batch_size=size)[0]
            torch.testing.assert_close(said, wanted, rtol=0, atol=1e-5)
        first = model.classify_file(path, windows=1)[0]
        torch.testing.assert_close(first, each[:1], rtol=0, atol=1e-5)
        assert not torch.allclose(first, wanted, atol=1e-4)
    assert not torch.equal(model.classify_file(path, overlap=0.5)[0], said)
    with pytest.raises(InputError, match="overlap=1 is no ratio of a window"):
        model.classify_file(path, overlap=1)


def test_the_last_sample(classifier, finished, tmp_path):
    """A clip is read as its kind of recipe does, to a sample.

    A recipe with windows cuts them by the clock, others read all there is:
    here a frame more.
    """
    frames, hop, rate = 12, 160, 44100
    end = 400 + hop * (frames - 1)  # samples at 16 kHz, of which one is begun
    path = tmp_path / "a.wav"
    x = sound(30, 1.0, rate, seed=1)[: int((end - 0.7) * rate / 16000)]
    soundfile.write(path, x, rate)
    whole = read_audio(path)
    assert len(whole) == end and len(x) / rate * 16000 < end - 0.5
    windowed = load(finished("BrazilianAccents"))
    for model, length in ((classifier, end), (windowed, end - 1)):
        said = model.classify_file(path)[0]
        answers = {
            n: model.classify_batch(whole[:n])[0] for n in (end, end - 1)
        }
        assert not torch.allclose(*answers.values(), atol=1e-5)
        torch.testing.assert_close(said, answers[length], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["ESC50", "BrazilianAccents", "wav2vec2"])
def test_batches_fill_across_files(finished, kind, clip, tmp_path):
    """Files of all lengths and rates together say what each says alone."""
    classifier = load(finished(kind))
    files = [
        clip(f"{i}.wav", seconds, rate, 1 + i % 2)
        for i, (seconds, rate) in enumerate(
            [(0.3, 16000), (2.3, 44100), (0.02, 8000), (0.7, 22050)] * 3
        )
    ]
    files.insert(5, tmp_path / "missing.wav")
    for workers in (0, 2):
        found = classifier.classify_files(
            files, batch_size=6, num_workers=workers
        )
        found = list(found)
        assert [answer.file for answer in found] == files
        assert "missing.wav is missing" in found.pop(5).error
        for answer in found:
            alone = classifier.classify_file(answer.file)
            wanted = torch.atleast_2d(answer.probabilities)
            torch.testing.assert_close(alone[0], wanted, rtol=0, atol=2e-6)
            assert answer.window_probabilities.shape[0] == len(answer.spans)


def test_the_bar_counts_files(classifier, clip, monkeypatch):
    """In a terminal, once it takes a moment."""
    shown = []

    class Bar(answers.tqdm):
        def __init__(self, **kwargs):
            shown.append(kwargs)
            super().__init__(**kwargs)

    monkeypatch.setattr(answers, "tqdm", Bar)
    classifier.classify_file(clip())
    (how,) = shown
    assert how["disable"] is None and how["total"] == 1 and how["delay"] == 1


@pytest.mark.parametrize(
    "form, tolerance",
    [
        ({"channels": 2}, 1e-6),
        ({"subtype": "PCM_U8"}, 0.02),
        ({"subtype": "FLOAT"}, 1e-3),
        ({"name": "a.flac", "subtype": "PCM_24"}, 1e-3),
    ],
)
def test_any_form(classifier, clip, form, tolerance):
    """Stereo and any width say what 16 bit mono says."""
    wanted = classifier.classify_file(clip("plain.wav"))[0]
    said = classifier.classify_file(clip(**form))[0]
    torch.testing.assert_close(said, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_any_rate(classifier, clip, rate):
    """A file is resampled, and so is a batch."""
    path = clip(rate=rate)
    wav, _ = soundfile.read(path, dtype="float32")
    said = classifier.classify_batch(torch.from_numpy(wav), sample_rate=rate)
    wanted = classifier.classify_file(path)[0]
    torch.testing.assert_close(said[0], wanted, rtol=0, atol=1e-5)
    as_if = classifier.classify_batch(torch.from_numpy(wav))[0]
    assert not torch.allclose(as_if, wanted, atol=1e-4)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "a.wav is missing"),
        (b"", "a.wav has 0 bytes"),
        (b"Dear diary," * 99, "a.wav is no audio file"),
        (truncated_wav(), "a.wav is truncated"),
        (truncated_wav(seconds=0, keep=1), "a.wav holds no samples"),
    ],
)
def test_files_that_cannot_be_heard(classifier, tmp_path, content, message):
    """One line that names the file."""
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InputError, match=message):
        classifier.classify_file(tmp_path / "a.wav")


def test_a_file_broken_in_the_middle(classifier, clip):
    """Its header promises more than a reader can decode."""
    path = clip("a.flac", seconds=4.0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="a.flac is broken: .* Copy"):
        classifier.classify_file(path)


@pytest.mark.parametrize("method", without_slow(methods_of("ESC50"), METHODS))
def test_every_method_loads_and_merges(finished, tmp_path, method):
    """With all it has learned, and the same whether folded or not."""
    run = run_of(method, finished("ESC50"), tmp_path / "run")
    torch.manual_seed(7)
    before = torch.get_rng_state()
    folded, apart = load(run), load(run, merge=False)
    assert torch.equal(torch.get_rng_state(), before)
    wavs = torch.randn(3, folded.mods["fbank"].samples) / 10
    said, other = (c.classify_batch(wavs)[0] for c in (folded, apart))
    torch.testing.assert_close(said, other, rtol=0, atol=1e-5)
    left = [n for n, _ in folded.named_modules() if "pretrained_" in n]
    if method in MERGED:
        assert not left
        assert any("pretrained_" in n for n, _ in apart.named_modules())


def test_missing_and_unfinished_runs(finished, tmp_path):
    """What is wrong with the folder, and what to do."""
    with pytest.raises(InputError, match="nowhere is no folder: give the out"):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no hyperparams.yaml"):
        load(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(finished("ESC50"), run)
    (run / RESULT).rename(run / "result")
    with pytest.raises(InputError, match="no adapter.json, .* A run goes on"):
        load(run)
    (run / "result").rename(run / RESULT)
    (run / "adapter.safetensors").rename(run / "weights")
    with pytest.raises(InputError, match="adapter.safetensors: .*--test_only"):
        load(run)
    (run / "weights").rename(run / "adapter.safetensors")
    (run / "save" / "labels.txt").unlink()
    with pytest.raises(InputError, match="the labels .* cannot be read"):
        load(run)


def test_a_run_that_writes_sequences(finished, tmp_path):
    """Only classifiers can be loaded."""
    run = tmp_path / "run"
    shutil.copytree(finished("ESC50"), run)
    unseal(run / "result.json")
    with open(run / "hyperparams.yaml", "a", encoding="utf-8") as file:
        file.write("\ntokenizer_folder: null\n")
    with pytest.raises(InputError, match="writes texts"):
        load(run)


def test_from_hparams_takes_a_run(finished, clip):
    """The same model, wherever one works and wherever the run lies."""
    run, path = finished("ESC50"), clip()
    other = AudioClassifier.from_hparams(source=str(run), run_opts=CPU)
    wanted = load(run).classify_file(path)[0]
    assert torch.equal(other.classify_file(path)[0], wanted)
    assert not any(p.requires_grad for p in other.mods.parameters())
    assert not other.mods.training
