"""The method files for CED and EAT: sizes, runs, the cache of a linear probe."""

import pytest
import torch
from layouts import make_esc50
from method_files import ROOT, encoder_of, method_files, petl_of
from running import load_train, result_of, weights_of
from speechbrain_petl import (
    AdaptedEncoder,
    ViT,
    count_parameters,
    save_pretrained,
)
from speechbrain_petl.lobes.vit_families import FAMILIES

FILES = {
    f"{path.parent.name}/{path.stem}": path
    for path in method_files()
    if encoder_of(path) == "vit"
}
NORM, LORA, BOTTLENECK, CONFORMER = 1_536, 221_184, 230_544, 250_080
BLOCKS, PATCHES = 85_054_464, 197_376
# of base size, without the classifier; in EAT the norm of the last block is
# the last of all
SIZES = {
    "linear": (NORM, NORM),
    "lora": (LORA + NORM, LORA + NORM),
    "bottleneck": (BOTTLENECK + 13 * NORM, BOTTLENECK + 12 * NORM),
    "conformer": (CONFORMER + 13 * NORM, CONFORMER + 12 * NORM),
    "full": (
        BLOCKS + NORM + PATCHES + (63 + 4) * 768 + 2 * 64,
        BLOCKS + NORM + PATCHES + 768,
    ),
}
BAT = (
    *("--family=bat", "--mels=128", "--window=1024", "--loudness=80"),
    "--scaled=True",
)
OTHERS = {  # by options of the files
    "dasheng": ("ced/lora", ("--family=dasheng",)),
    "bat": ("ced/lora", BAT),
    "audiomae": ("eat/lora", ("--family=audiomae",)),
}
QUICK = ("ced/conformer", "eat/lora")


@pytest.mark.parametrize("name", FILES)
def test_trained_parameters(name):
    """As the README states them."""
    family, _, method = name.partition("/")
    with torch.device("meta"):
        adapted = AdaptedEncoder(ViT(f"{family}_base"), **petl_of(FILES[name]))
    expected = dict(zip(("ced", "eat"), SIZES[method]))[family]
    assert count_parameters(adapted)[0] == expected
    readme = (ROOT / "recipes" / "ESC50" / "README.md").read_text("utf-8")
    assert f"{expected:,}" in readme.partition("## CED")[2]


def test_the_same_methods_for_both():
    assert {n.partition("/")[2] for n in FILES} == set(SIZES)
    assert len(FILES) == 2 * len(SIZES)


def train(name, data, output, *more):
    """Run a method file in this process; its result."""
    short = "--seconds=0.3" if name.startswith("ced") else "--frames=64"
    argv = [
        str(ROOT / FILES[name]),
        f"--data_folder={data}",
        f"--output_folder={output}",
        *("--source=null", "--encoder_size=[32,2,4]", short, "--esc10=True"),
        *("--epochs=1", "--batch_size=4", "--num_workers=0"),
        *("--device=cpu", "--noprogressbar"),
        *more,
    ]
    load_train(ROOT / "recipes" / "ESC50").main(argv)
    return result_of(output)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in FILES
    ],
)
def test_every_file_runs(name, tmp_path):
    """From audio files to a result."""
    data = make_esc50(tmp_path)
    result = train(name, data, tmp_path / "run", "--debug")
    assert result["method"] == name and result["encoder"] == [32, 2, 4]


@pytest.mark.parametrize(
    "family",
    ["bat", *(pytest.param(f, marks=pytest.mark.slow) for f in OTHERS)],
)
def test_other_families_by_options(family, tmp_path):
    """As the README writes them; the wrong front end is an error."""
    assert {"ced", "eat", *OTHERS} == set(FAMILIES)
    name, options = OTHERS[family]
    data = make_esc50(tmp_path)
    result = train(name, data, tmp_path / "run", "--debug", *options)
    assert result["method"] == name
    readme = (ROOT / "recipes" / "ESC50" / "README.md").read_text("utf-8")
    for option in options[1:]:
        assert option in readme


@pytest.mark.parametrize("folder", ["ced", "eat"])
def test_a_cached_probe_is_the_probe(folder, tmp_path):
    """Of all tokens and of the class token."""
    data, source = make_esc50(tmp_path), tmp_path / "vit.safetensors"
    torch.manual_seed(0)
    save_pretrained(ViT((32, 2, 4), folder), source)
    more = "--epochs=2", "--lr=0.02", f"--source={source}"
    plain, cached = (tmp_path / name for name in ("plain", "cached"))
    expected = train(f"{folder}/linear", data, plain, *more)
    cache = "--cache=frozen", f"--cache_folder={tmp_path / 'cache'}"
    result = train(f"{folder}/linear", data, cached, *more, *cache)
    assert list((tmp_path / "cache").glob("*.npy"))
    for epoch, other in zip(result["history"], expected["history"]):
        for split in ("train", "valid"):
            assert epoch[split] == pytest.approx(other[split], rel=1e-4)
    weights, others = weights_of(cached), weights_of(plain)
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], atol=1e-5, rtol=1e-4)
