"""The method files for wav2vec 2.0 and BEATs: sizes, runs, processes."""

import json
import math
import re
from types import SimpleNamespace

import in_turn
import pytest
import torch
from layouts import make_esc50, write_clip
from layouts_audioset import make_audioset
from layouts_fluent_speech_commands import make_fluent_speech_commands
from layouts_google_speech_commands import make_speech_commands
from layouts_iemocap import make_iemocap
from layouts_librispeech import make_librispeech
from method_files import ROOT, encoder_of, method_files, petl_of, pooling_of
from method_sizes import EXPECTED, FINAL
from running import load_train, result_of, torchrun, weights_of
from speech_models import noise
from speechbrain_petl import (
    AdaptedEncoder,
    Augment,
    BEATs,
    ClipMean,
    Fbank,
    InputError,
    PETLBrain,
    Wav2Vec2,
    Waveform,
    count_parameters,
)
from speechbrain_petl.data.batches import dynamic_batches
from speechbrain_petl.data.dataio import classification_datasets, write_manifest
from speechbrain_petl.experiments.sweep.cells import plan, working_in
from speechbrain_petl.lobes.wav2vec2 import SIZES as SPEECH_SIZES
from speechbrain_petl.recipe.yaml_files import load_yaml

from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset

DATA = {
    "ESC50": make_esc50,
    "AudioSet": make_audioset,
    "FluentSpeechCommands": make_fluent_speech_commands,
    "GoogleSpeechCommands": make_speech_commands,
    "IEMOCAP": make_iemocap,
    "LibriSpeech": make_librispeech,
}
SAME = {
    **{"linear": 1536, "lora": 222720, "prefix": 222720},
    **{"mambadapter": 65976, "mambadapter_houlsby": 109668},
}
SPEECH = {
    **SAME,
    **{"bottleneck": 250512, "conformer": 272256, "full": 21263616},
}
SOUND = {
    **SAME,
    **{"bottleneck": 250512, "conformer": 270048, "full": 90311792},
}
OTHERS = [  # as on the AST
    *("weighted_layers", "attentive", "protobin", "gated_probe", "loaa"),
    *("pissa", "olora", "eva", "lora_fa", "vera", "prompt_deep"),
]
SIZES = {  # as the READMEs state them; without the classifier
    "GoogleSpeechCommands": SPEECH,
    "FluentSpeechCommands": SPEECH,
    "LibriSpeech": SPEECH,
    "IEMOCAP": {**SPEECH, "bottleneck": 894528, "conformer": 926208},
    "ESC50": {
        **SOUND,
        **{method: EXPECTED[method] for method in OTHERS},
        # the last norm is one of those after the layers
        "soft_moa": EXPECTED["soft_moa"] - FINAL,
    },
    "AudioSet": SOUND,
}
PUBLISHED = {  # thousands, as the papers state them
    ("GoogleSpeechCommands", "bottleneck"): 250,
    ("GoogleSpeechCommands", "conformer"): 272,
    ("FluentSpeechCommands", "bottleneck"): 250,
    ("FluentSpeechCommands", "conformer"): 272,
    ("IEMOCAP", "bottleneck"): 895,
    ("IEMOCAP", "conformer"): 927,
}
UNUSED = {"IEMOCAP": 768}  # masked_spec_embed, which the papers' code counts
FILES = [path for path in method_files() if encoder_of(path) == "speech"]
METHODS = tuple(SPEECH)
ONE_OF_EACH = ("FluentSpeechCommands", "bottleneck"), ("ESC50", "conformer")


def command_line(path, data, output, *more):
    """A tiny run of two layers."""
    tiny = "--frames=64" if path.parent.name == "beats" else "--seconds=0.3"
    small = {"ESC50": ["--esc10=True"], "AudioSet": ["--valid_clips=5"]}
    more = (*small.get(path.parts[1], ()), *more)
    return [
        str(ROOT / path),
        f"--data_folder={data}",
        f"--output_folder={output}",
        *("--source=null", "--encoder_size=[32,2,2]", tiny),
        *("--epochs=1", "--batch_size=4", "--num_workers=0"),
        *("--noprogressbar", *more),
    ]


def train(path, data, output, *more):
    """Run a method file in this process; its result."""
    argv = command_line(path, data, output, "--device=cpu", *more)
    load_train(ROOT / "recipes" / path.parts[1]).main(argv)
    return result_of(output)


def file_of(recipe, method):
    """The method file of a recipe."""
    return next(p for p in FILES if p.parts[1] == recipe and p.stem == method)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Generated data of a recipe, made once."""
    made = {}

    def make(recipe):
        if recipe not in made:
            folder = tmp_path_factory.mktemp(recipe)
            made[recipe] = DATA[recipe](folder)
        return made[recipe]

    return make


@pytest.mark.parametrize("recipe", SIZES)
def test_trained_parameters_are_as_stated(recipe):
    """In the README; cut to thousands, in the paper."""
    readme = (ROOT / "recipes" / recipe / "README.md").read_text("utf-8")
    for method, exact in SIZES[recipe].items():
        path = file_of(recipe, method)
        with torch.device("meta"):
            beats = path.parent.name == "beats"
            encoder = BEATs() if beats else Wav2Vec2()
            adapted = AdaptedEncoder(encoder, **petl_of(path))
            pooling = pooling_of(path, encoder) or torch.nn.Identity()
        both = torch.nn.ModuleList([adapted, pooling])
        assert count_parameters(both)[0] == exact
        assert f"{exact:,}" in readme
        published = PUBLISHED.get((recipe, method))
        counted = (exact + UNUSED.get(recipe, 0)) / 1000
        assert published in (None, int(counted), round(counted))


CACHED = {
    "FluentSpeechCommands": ["linear"],
    "GoogleSpeechCommands": ["linear"],
    "IEMOCAP": ["linear"],
    "ESC50": ["linear", "attentive", "gated_probe"],
}


@pytest.mark.parametrize("recipe", CACHED)
def test_a_cached_probe_is_the_probe(recipe, data, tmp_path):
    """Where nothing in the encoder trains; else the log says why it is none."""
    for method in CACHED[recipe]:
        path, results = file_of(recipe, method), []
        probe = "--petl={train: []}" if method == "linear" else "--debug"
        runs, kept = tmp_path / method, tmp_path / method / "kept"
        cache = "--cache=frozen", f"--cache_folder={kept}"
        for name, more in (
            ("plain", [probe]),
            ("cached", [probe, *cache]),
            ("as_it_is", cache),
        ):
            more = "--augment={steps: []}", "--debug", "--lr=0.01", *more
            results.append(train(path, data(recipe), runs / name, *more))
            if name == "cached":
                assert len(list(kept.glob("*.npy"))) == 1
        plain, cached, _ = (r["history"][0]["train"]["loss"] for r in results)
        assert cached == pytest.approx(plain, rel=1e-3)
        log = (runs / "as_it_is" / "log.txt").read_text()
        why = "cache=frozen: not used, since something inside of"
        assert (why in log) == (method == "linear")


@pytest.mark.parametrize("size", SPEECH_SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_files_fit_every_size(size, method):
    """The last layer is the last one of twelve and of twenty-four."""
    with torch.device("meta"):
        encoder = Wav2Vec2(size)
        path = file_of("GoogleSpeechCommands", method)
        adapted = AdaptedEncoder(encoder, **petl_of(path))
    last = len(encoder.encoder.transformer.layers) - 1
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    layers = {int(n) for n in re.findall(r"\.layers\.(\d+)\.", str(trained))}
    assert (
        f"encoder.encoder.transformer.layers.{last}.final_layer_norm.bias"
        in trained
    )
    expected = {"full": {last - 2, last - 1, last}, "linear": {last}}
    assert layers == expected.get(method, set(range(last + 1)))


@pytest.mark.parametrize(
    "path",
    [
        path
        if (path.parts[1], path.stem) in ONE_OF_EACH
        else pytest.param(path, marks=pytest.mark.slow)
        for path in FILES
    ],
    ids=str,
)
def test_every_file_runs(path, data, tmp_path):
    """From audio files to a result."""
    result = train(path, data(path.parts[1]), tmp_path, "--debug")
    folder = path.parent.name
    assert result["method"] == f"{folder}/{path.stem}"
    assert result["encoder"] == [32, 2, 2]


@pytest.mark.parametrize(
    "recipe, seconds",
    [
        ("GoogleSpeechCommands", 1),
        ("FluentSpeechCommands", 4),
        ("IEMOCAP", 8),
    ],
)
def test_clips_are_cut_as_in_the_papers(recipe, seconds, tmp_path):
    """The longer one is read no further, and counts as so long in a batch."""
    base = file_of(recipe, "lora").with_name("base.yaml")
    tree = load_yaml((ROOT / base).read_text(encoding="utf-8"), base)
    waveform = Waveform(tree["seconds"])
    assert waveform.samples == 16000 * seconds
    manifest = tmp_path / "train.json"
    clips = {"long": seconds + 1.5, "short": 0.5}
    for name, length in clips.items():
        write_clip(tmp_path / f"{name}.wav", 0, (length, 16000, 1, "PCM_16"))
    write_manifest(
        manifest,
        {n: {"wav": str(tmp_path / f"{n}.wav"), "label": n} for n in clips},
    )
    datasets, _ = classification_datasets(
        {"train": manifest}, waveform.samples, tmp_path / "labels.txt"
    )
    train = datasets["train"]
    assert [len(clip["sig"]) for clip in train] == [16000 * seconds, 8000]
    # the boundaries that the yaml and the README name
    text = (ROOT / base).read_text(encoding="utf-8")
    named = re.search(r"# them (\{.*\}),", text)[1]
    assert named in (ROOT / base.parents[2] / "README.md").read_text()
    sampler = dynamic_batches(train, load_yaml(named, base), seed=1)
    assert sampler.get_durations([0, 1]) == [seconds, 0.5]
    clips = [{"duration": seconds}] * 64
    sampler = dynamic_batches(
        DynamicItemDataset(dict(enumerate(clips))), load_yaml(named, base), 1
    )
    assert len(list(sampler)[0]) == 64 // seconds


@pytest.mark.parametrize("recipe", sorted(DATA.keys() - {"LibriSpeech"}))
def test_padding_has_no_effect_on_what_is_predicted(recipe):
    """A recipe tells the encoder and the pooling how long clips are."""
    beats = file_of(recipe, "lora").parent.name == "beats"
    torch.manual_seed(0)
    size, family = (32, 2, 2), "hubert_large"  # which tells loudness
    encoder = (BEATs(size) if beats else Wav2Vec2(size, family)).eval()
    pooling, head = ClipMean(encoder), torch.nn.Linear(32, 3)
    fbank = Fbank(frames=64) if beats else Waveform(seconds=0.5)
    modules = SimpleNamespace(
        fbank=fbank,
        encoder=encoder,
        pooling=pooling,
        classifier=head,
        wave_augment=Augment(),
        augment=Augment(),
    )
    brain = SimpleNamespace(device="cpu", modules=modules)
    clips = [noise(8000), 0.1 * noise(4000, seed=1) + 0.1]
    batch = PaddedBatch(
        [{"sig": c, "soft_targets": torch.eye(3)[0]} for c in clips]
    )
    train = load_train(ROOT / "recipes" / recipe)
    (kind,) = (
        k
        for k in vars(train).values()
        if isinstance(k, type) and PETLBrain in k.__bases__
    )
    logits, _ = kind.compute_forward(brain, batch, Stage.TEST)
    for clip, actual in zip(clips, logits):
        length = torch.tensor([len(clip)])
        tokens = encoder(fbank(clip[None]), length)
        expected = head(pooling(tokens, length))[0]
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def test_dynamic_batches_are_not_drawn(data, tmp_path):
    """By the balance of classes, which was left out without a word."""
    batches = "{max_batch_length: 3, bucket_boundaries: [0.2, 0.3]}"
    options = [f"--dynamic_batch={batches}", "--balance=True"]
    path = file_of("IEMOCAP", "linear")
    with pytest.raises(InputError, match="balance: dynamic_batch has an order"):
        train(path, data("IEMOCAP"), tmp_path, *options)


class Killed(BaseException):
    """Nobody catches it, as nobody does kill -9."""


def test_dynamic_batches_after_a_kill(data, tmp_path, monkeypatch):
    """In the midst of the second epoch; the same command goes on."""
    path, whole, broken = (
        file_of("IEMOCAP", "conformer"),
        *(tmp_path / name for name in ("whole", "broken")),
    )
    more = (
        "--dynamic_batch={max_batch_length: 3, bucket_boundaries: [0.2, 0.3]}",
        *("--epochs=2", "--ckpt_interval_steps=1", "--shots=8"),
    )
    fit_batch, steps = PETLBrain.fit_batch, []

    def counted(brain, batch):
        steps.append(batch.id)
        if len(steps) == kill_at:
            raise Killed
        return fit_batch(brain, batch)

    monkeypatch.setattr(PETLBrain, "fit_batch", counted)
    kill_at = None
    expected = train(path, data("IEMOCAP"), whole, *more)
    every, steps[:] = list(steps), []
    kill_at = len(every) // 2 + 2
    with pytest.raises(Killed):
        train(path, data("IEMOCAP"), broken, *more)
    done, kill_at, steps[:] = kill_at - 1, None, []
    result = train(path, data("IEMOCAP"), broken, *more)
    assert steps == every[done:] and len(steps) > 1
    assert result["history"] == expected["history"]
    weights, others = weights_of(whole), weights_of(broken)
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_dynamic_batches():
    """As many in each epoch, each clip once, in another order."""
    seconds = [1 + 7 * (i * 37 % 101) / 101 for i in range(60)]
    clips = {str(i): {"duration": s} for i, s in enumerate(seconds)}
    dataset = DynamicItemDataset(clips)
    settings = {"max_batch_length": 24, "num_buckets": 5}
    sampler = dynamic_batches(dataset, settings, seed=1, processes=2)
    epochs = []
    for epoch in range(1, 4):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(sum(batches, [])) == list(range(60))
        assert all(sum(seconds[i] for i in b) <= 24 for b in batches)
        epochs.append(batches)
    assert len({len(batches) for batches in epochs}) == 1
    assert sorted(map(sorted, epochs[0])) != sorted(map(sorted, epochs[1]))
    for wrong, message in (
        ({"max_batch_length": 24}, "specify either num_buckets"),
        ({"max_batch_length": 0, "bucket_boundaries": [1]}, "is not above 0"),
        ({"max_batch_length": 24, "num_buckets": 0}, "num_buckets=0: give a w"),
        ({"max_batch_length": 24, "num_buckets": -1}, "num_buckets=-1: give a"),
        ({"max_batch_length": math.inf, "bucket_boundaries": [1]}, "infinity"),
        (24, "must be a mapping"),
        ({"batch": 24}, "unexpected keyword argument 'batch'"),
        ({"max_batch_length": 24, "num_buckets": 5}, "too few for 70 proc"),
    ):
        with pytest.raises(InputError, match=message):
            dynamic_batches(dataset, wrong, seed=1, processes=70)
    del dataset.data["7"]["duration"]
    with pytest.raises(InputError, match='clip 7 has no "duration"'):
        dynamic_batches(dataset, settings, seed=1)
    lengths = {"lengths_list": seconds}
    assert len(dynamic_batches(dataset, settings | lengths, seed=1))


def test_sweeps_have_a_folder_for_each_encoder():
    """None but the method's for the one of the yaml."""
    folders = []
    with working_in(ROOT / "recipes" / "GoogleSpeechCommands"):
        for size in ("wav2vec2_base", "hubert_base", "[32,2,2]"):
            options = ["--data_folder=data", f"--encoder_size={size}"]
            cells = plan(["wav2vec2/lora"], {"seed": [2]}, options)
            folders += [cell.folder.name for cell in cells]
    assert folders == [
        "task35_seed2",
        "task35_seed2_encoder_sizehubert_base",
        "task35_seed2_encoder_size32-2-2",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", DATA)
def test_every_file_runs_on_two_processes(recipe, data, tmp_path):
    """Under torchrun, those with a BatchNorm too."""
    files = {path.stem: path for path in FILES if path.parts[1] == recipe}
    lines = [
        command_line(path, data(recipe), tmp_path / name, "--debug")
        for name, path in files.items()
    ]
    (tmp_path / "lines.json").write_text(json.dumps(lines))
    done = torchrun([str(tmp_path / "lines.json")], in_turn.__file__)
    assert done.returncode == 0, done.stderr
    assert files.keys() >= set(METHODS)
    for name, path in files.items():
        result = result_of(tmp_path / name)
        assert result["method"] == f"{path.parent.name}/{name}"
        assert result["processes"] == 2


@pytest.mark.slow
def test_two_processes_are_one(data, tmp_path):
    """Though their batches are padded to other lengths."""
    path, one, two = file_of("IEMOCAP", "lora"), tmp_path / "1", tmp_path / "2"
    argv = command_line(path, data("IEMOCAP"), two, "--batch_size=4")
    done = torchrun(argv, ROOT / "recipes" / "IEMOCAP" / "train.py")
    assert done.returncode == 0, done.stderr
    train(path, data("IEMOCAP"), one, "--batch_size=8")
    metrics = [result_of(folder)["metrics"] for folder in (one, two)]
    assert metrics[1] == pytest.approx(metrics[0], rel=1e-4)


@pytest.mark.slow
def test_two_processes_with_dynamic_batches(data, tmp_path):
    """Shared out between them."""
    path = file_of("IEMOCAP", "conformer")
    dynamic = "--dynamic_batch={max_batch_length: 2, num_buckets: 3}"
    argv = command_line(path, data("IEMOCAP"), tmp_path, dynamic)
    argv.append("--epochs=3")
    done = torchrun(argv, ROOT / "recipes" / "IEMOCAP" / "train.py")
    assert done.returncode == 0, done.stderr
    assert len(result_of(tmp_path)["history"]) == 3
