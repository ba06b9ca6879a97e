"""The method files for Whisper: sizes, runs, the cache of a linear probe."""

import re

import pytest
import torch
from layouts import make_esc50
from layouts_brazilian_accents import make_brazilian_accents
from layouts_fluent_speech_commands import make_fluent_speech_commands
from layouts_google_speech_commands import make_speech_commands
from layouts_iemocap import make_iemocap
from layouts_librispeech import make_librispeech
from layouts_spoken_digits import make_spoken_digits
from method_files import (
    ROOT,
    encoder_of,
    method_files,
    petl_of,
    petl_text,
    pooling_of,
)
from running import load_train, result_of, weights_of
from speechbrain_petl import (
    AdaptedEncoder,
    Whisper,
    count_parameters,
    save_pretrained,
)

DATA = {
    "BrazilianAccents": make_brazilian_accents,
    "ESC50": make_esc50,
    "FluentSpeechCommands": make_fluent_speech_commands,
    "GoogleSpeechCommands": make_speech_commands,
    "IEMOCAP": make_iemocap,
    "LibriSpeech": make_librispeech,
    "SpokenDigits": make_spoken_digits,
}
FILES = [
    path
    for path in method_files()
    if encoder_of(path) == "whisper" and "seq2seq" not in path.parts
]
POOLINGS = {"attentive", "protobin", "gated_probe"}  # which no sequence has
OF_ESC50 = {path.stem: path for path in FILES if path.parts[1] == "ESC50"}
QUICK = {("GoogleSpeechCommands", "lora_all"), ("IEMOCAP", "conformer")}


def expected(method, dim, depth):
    """Trained parameters, counted by hand; each ends with those of `norm`."""
    pooling = {
        "attentive": dim + 2 * dim * dim,  # a query, keys and values
        "protobin": 1000 * dim,
        "gated_probe": 1000 * dim + depth,
    }
    if method in pooling:
        return pooling[method]
    norm = 2 * dim
    low_rank = 6 * (dim + dim)  # of one projection of dim to dim
    bottleneck = 2 * 12 * dim + 12 + dim
    conformer = (
        *(norm, 2 * 8 * (dim + 1)),  # LayerNorm; down, to twice the width
        *(8 * (31 + 1), 2 * 8, 9 * dim),  # convolution, BatchNorm, up
    )
    mamba = 2_232 + 1  # and a scale
    each = {
        "linear": 0,
        "bitfit": 11 * dim,  # qkv 3, proj 1, fc1 4, fc2 1, two LayerNorms 2
        "ln_tuning": 2 * norm,
        "lora": 2 * low_rank,
        "lora_all": 4 * low_rank + 2 * 6 * 5 * dim,
        "dora": 2 * (low_rank + dim),
        "bottleneck": bottleneck + norm,
        "bottleneck_houlsby": 2 * (bottleneck + norm),
        "conformer": sum(conformer) + norm,
        "convpass": bottleneck + 3 * 12 * 12 + 12 + norm,
        "token_mixer": 48 * 32 + norm,  # filters of 31 and a bias
        "mambadapter": mamba + norm,
        "mambadapter_houlsby": 2 * (mamba + norm),
        "loaa": 2 * (2 * 4 * 3 * dim + 4 + dim),  # width 4, kernel 3
        "pissa": 2 * low_rank,
        "olora": 2 * low_rank,
        "eva": 2 * low_rank,
        "lora_fa": low_rank,
        "vera": 2 * (256 + dim),
        "prompt_deep": 25 * dim,
        "prefix": 2 * 12 * dim,
        # seven experts of width 6; one slot and its scale each
        "soft_moa": 7 * (2 * 6 * dim + 6 + dim) + 7 * dim + norm,
        "ssf": 2 * (3 + 1 + 4 + 1 + 1 + 1) * dim,
        "ia3": (2 + 4) * dim,
        "full": 12 * dim * dim + 13 * dim,
        "weighted_layers": 1,
    }[method]
    once = {
        "bitfit": -dim,  # no weight of norm
        "token_mixer": 2 * 48 * dim + 48 + dim,  # shared projections
        "mambadapter": bottleneck,
        "mambadapter_houlsby": bottleneck,
        "full": (3 * 80 + 1) * dim + (3 * dim + 1) * dim,  # convolutions
    }.get(method, 0)
    return depth * each + once + norm


@pytest.mark.parametrize(
    "size, dim, depth", [("tiny", 384, 4), ("base", 512, 6)]
)
@pytest.mark.parametrize("method", OF_ESC50)
def test_trained_parameters(method, size, dim, depth):
    """Of every method, without the classifier."""
    path = OF_ESC50[method]
    with torch.device("meta"):
        encoder = Whisper(size)
        adapted = AdaptedEncoder(encoder, **petl_of(path))
        pooling = pooling_of(path, encoder) or torch.nn.Identity()
    trained = count_parameters(adapted)[0] + count_parameters(pooling)[0]
    assert trained == expected(method, dim, depth)


@pytest.mark.parametrize("recipe", DATA)
def test_the_readmes_state_them(recipe):
    """Of tiny, those that have a section on Whisper."""
    text = (ROOT / "recipes" / recipe / "README.md").read_text("utf-8")
    text = text.partition("## Whisper")[2] or text
    assert "hparams/whisper" in text
    for name, stated in re.findall(r"(\w+)\s(\d[\d,]+\d)(?=[,.])", text):
        method = name.lower()
        if method in OF_ESC50:
            assert stated == f"{expected(method, 384, 4):,}"


def test_the_methods_are_the_same_everywhere():
    """All of ESC-50's in each recipe and in the template, word for word."""
    recipes = {path.parts[1] for path in FILES}
    assert recipes >= {*DATA, "audio_classification"}
    for recipe in recipes:
        files = {p.stem: p for p in FILES if p.parts[1] == recipe}
        without = POOLINGS if recipe == "LibriSpeech" else set()
        assert files.keys() == OF_ESC50.keys() - without
        for name, path in files.items():
            assert petl_text(path) == petl_text(OF_ESC50[name])


def train(path, data, output, *more):
    """Run a method file in this process; its result."""
    argv = [
        str(ROOT / path),
        f"--data_folder={data}",
        f"--output_folder={output}",
        *("--source=null", "--encoder_size=[32,2,4]", "--seconds=0.3"),
        *("--epochs=1", "--batch_size=4", "--num_workers=0"),
        *("--device=cpu", "--noprogressbar"),
        *(["--esc10=True"] if path.parts[1] == "ESC50" else []),
        *more,
    ]
    load_train(ROOT / "recipes" / path.parts[1]).main(argv)
    return result_of(output)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            marks=()
            if (path.parts[1], path.stem) in QUICK
            else pytest.mark.slow,
        )
        for path in FILES
        if path.parts[1] in DATA
    ],
    ids=str,
)
def test_every_file_runs(path, tmp_path):
    """From audio files to a result."""
    data = DATA[path.parts[1]](tmp_path)
    result = train(path, data, tmp_path / "run", "--debug")
    assert result["method"] == f"whisper/{path.stem}"
    assert result["encoder"] == [32, 2, 4]


@pytest.mark.parametrize("recipe", ["ESC50", "SpokenDigits"])
def test_a_cached_probe_is_the_probe(recipe, tmp_path):
    """Also where clips have different lengths."""
    data, source = DATA[recipe](tmp_path), tmp_path / "whisper.safetensors"
    torch.manual_seed(0)
    save_pretrained(Whisper((32, 2, 4)), source)
    path = OF_ESC50["linear"].as_posix().replace("ESC50", recipe)
    path = next(p for p in FILES if p.as_posix() == path)
    more = "--epochs=2", "--lr=0.02", f"--source={source}"
    plain, cached = (tmp_path / name for name in ("plain", "cached"))
    expected = train(path, data, plain, *more)
    cache = "--cache=frozen", f"--cache_folder={tmp_path / 'cache'}"
    result = train(path, data, cached, *more, *cache)
    assert list((tmp_path / "cache").glob("*.npy"))
    for epoch, other in zip(result["history"], expected["history"]):
        for split in ("train", "valid"):
            assert epoch[split] == pytest.approx(other[split], rel=1e-5)
    weights, others = weights_of(cached), weights_of(plain)
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], atol=2e-6, rtol=1e-5)


def test_what_is_not_cached(tmp_path):
    """The reason is said, and the run goes on."""
    data = make_esc50(tmp_path)
    cache = "--cache=frozen", f"--cache_folder={tmp_path / 'cache'}"
    train(OF_ESC50["lora"], data, tmp_path / "run", "--debug", *cache)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "something before the last LayerNorm" in log
    assert not (tmp_path / "cache").exists()
