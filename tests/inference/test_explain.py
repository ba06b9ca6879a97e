"""What has mattered: found where it is known, for any encoder and method."""

import math
import random
import sys

import pytest
import soundfile
import torch
from finished_runs import SPEECH
from known_events import make_events
from method_files import ROOT
from running import load_train
from speechbrain_petl import AudioClassifier, Fbank, InputError
from speechbrain_petl.data.audio import SAMPLE_RATE
from speechbrain_petl.inference.commands.classify import main as classify
from speechbrain_petl.lobes.waveform import Waveform

sys.path.insert(0, str(ROOT))
from tests.benchmarks.explained import measure  # noqa: E402

TEMPLATE = ROOT / "templates" / "audio_classification"
KINDS = ["ESC50", "AudioSet", *SPEECH]


class Mean(torch.nn.Module):
    """The mean of the tokens."""

    def forward(self, tokens, samples=None):
        """(batch, token, dim) to (batch, dim)."""
        return tokens.mean(dim=1)


class ReadsCells(torch.nn.Module):
    """How loud it is early and low, and how loud late and high."""

    dim = 2

    def forward(self, features, samples=None):
        """Spectrograms (batch, frame, mel) to tokens (batch, 1, 2)."""
        half = features.shape[1] // 2
        early, late = features[:, :half, :40], features[:, half:, 80:]
        means = [x.mean(dim=(1, 2)) for x in (early, late)]
        return torch.stack(means, dim=1).unsqueeze(1)


class ReadsWaves(torch.nn.Module):
    """The same of waveforms: below 1 kHz and above 2 kHz."""

    dim = 2

    def forward(self, wavs, samples=None):
        """Waveforms (batch, sample) to tokens (batch, 1, 2)."""
        spectra = [torch.fft.rfft(x).abs() for x in wavs.chunk(2, dim=1)]
        hertz = torch.linspace(0, 8000, spectra[0].shape[1])
        low, high = hertz < 1000, hertz > 2000
        means = spectra[0][:, low].sum(1), spectra[1][:, high].sum(1)
        return torch.stack(means, dim=1).log().unsqueeze(1)


@pytest.mark.parametrize(
    "fbank, encoder",
    [(Fbank(frames=100), ReadsCells()), (Waveform(1.0), ReadsWaves())],
)
def test_it_is_where_the_model_reads(fbank, encoder):
    """A low sound that comes first and a high one that follows."""
    head = torch.nn.Linear(2, 2, bias=False)
    head.weight.data = torch.eye(2)
    labels = ["early", "late"]
    classifier = AudioClassifier(
        dict(fbank=fbank, encoder=encoder, pooling=Mean(), classifier=head),
        {"labels": labels, "activation": "softmax", "overlap": None},
    )
    t = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    wav = 0.01 * torch.randn(len(t), generator=torch.Generator().manual_seed(0))
    for hertz, start in ((500, 0.2), (4000, 0.6)):
        wav += torch.sin(2 * math.pi * hertz * t) * (
            (t > start) & (t < start + 0.2)
        )
    for label in labels:
        said = classifier.explain(wav, label)
        before, low = said.seconds < 0.5, said.hertz < 1500
        early = float(said.relevance[before][:, low].sum())
        late = float(said.relevance[~before][:, ~low].sum())
        right, wrong = (early, late) if label == "early" else (late, early)
        assert right > 0.7 > 0.3 > wrong, (label, early, late)


@pytest.mark.parametrize("kind", KINDS)
def test_of_every_encoder(finished, kind):
    """Relevance of a short clip, a long one and a very short one."""
    classifier = AudioClassifier.from_run(finished(kind))
    generator = torch.Generator().manual_seed(0)
    samples = classifier.mods["fbank"].samples
    for size in (samples, int(2.3 * samples), 300):
        wav = torch.randn(size, generator=generator) / 10
        said = classifier.explain(wav)
        probabilities, _, _, names = classifier.classify_batch(wav)
        assert said.label == names[0]
        assert said.probability == pytest.approx(float(probabilities.max()))
        assert said.relevance.shape == said.spectrogram.shape
        assert said.hertz.shape == said.relevance.shape[1:]
        assert said.seconds.shape == said.relevance.shape[:1]
        assert said.relevance.min() >= 0 and not said.relevance.requires_grad
        # of a single frame, all is background
        whole = float(len(said.relevance) > 1)
        assert float(said.relevance.sum()) == pytest.approx(whole, abs=1e-4)
        again = classifier.explain(wav)
        assert torch.equal(again.relevance, said.relevance)
    assert all(p.grad is None for p in classifier.mods.parameters())
    other = next(x for x in classifier.hparams.labels if x != said.label)
    assert classifier.explain(wav, other).label == other
    with pytest.raises(InputError, match="label='owl' is not one of"):
        classifier.explain(wav, "owl")


def test_the_command_draws_it(finished, tmp_path, capsys):
    """Of one file; and --reject says unknown, in the csv too."""
    run, wav = finished("ESC50"), tmp_path / "a$b.wav"
    soundfile.write(wav, torch.randn(9000).numpy() / 10, SAMPLE_RATE)
    png, table = tmp_path / "out.png", tmp_path / "out.csv"
    argv = [str(run), str(wav), "--device=cpu", "--num_workers=0"]
    classify([*argv, f"--explain={png}", "--reject=1", f"--csv={table}"])
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ": unknown (" in capsys.readouterr().out
    assert table.read_text().splitlines()[1].split(",")[1] == "unknown"
    classify([*argv, "--reject=0"])
    assert "unknown" not in capsys.readouterr().out
    (tmp_path / "c.wav").write_bytes(wav.read_bytes())
    with pytest.raises(InputError, match="a picture of one file, and .* 2"):
        classify([str(run), str(tmp_path), f"--explain={png}"])
    with pytest.raises(SystemExit):
        classify([*argv, "--reject=2"])
    assert "--reject: give a probability" in capsys.readouterr().err


@pytest.mark.slow
def test_known_events_are_found(tmp_path):
    """By every method of the template: far more than their part of the area."""
    clips = {"train": 30, "valid": 10, "test": 10}
    source = make_events(tmp_path / "events", "source", {**clips, "train": 60})
    target = make_events(tmp_path / "events", "target", clips, seed=1)
    common = ["--device=cpu", "--num_workers=0", "--noprogressbar"]
    common += ["--frames=300", "--epochs=25"]

    def run(method, data, output, *more):
        file = TEMPLATE / "hparams" / f"{method}.yaml"
        paths = [f"--data_folder={data}", f"--output_folder={output}"]
        options = [str(file), *paths, *common, *more]
        return load_train(TEMPLATE).adapt(options)[1]

    from speechbrain_petl import save_pretrained

    full = "--source=null", "--lr=0.001"
    encoder = run("full", source, tmp_path / "source", *full)
    weights = save_pretrained(encoder, tmp_path / "source.safetensors")
    files = sorted((target / "test").glob("*/*.wav"))
    files = random.Random(0).sample(files, 20)
    methods = sorted((TEMPLATE / "hparams").glob("*.yaml"))
    for method in (m.stem for m in methods if m.stem != "base"):
        more = [f"--source={weights}"]
        more += ["--lr=0.0005"] if method == "full" else []
        run(method, target, tmp_path / method, *more)
        accuracy, area, relevance = measure(tmp_path / method, files)
        print(f"{method}: {accuracy:.0%} right, {area:.1%}, {relevance:.1%}")
        assert relevance > 4 * area, method
