"""The method files for CED and EAT: sizes, runs, the cache of a linear probe."""

import re

import pytest
import torch
from layouts import make_esc50
from method_files import ROOT, encoder_of, method_files, petl_of, pooling_of
from method_sizes import EXPECTED, FINAL
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
BLOCKS, PATCHES = 85_054_464, 197_376
FULL = {
    "ced": BLOCKS + FINAL + PATCHES + (63 + 4) * 768 + 2 * 64,
    "eat": BLOCKS + FINAL + PATCHES + 768,
}
# where a method trains the norm of the last block, EAT's is the last of all
WITH_THE_LAST = (
    "bottleneck",
    "conformer",
    "mambadapter",
    "mambadapter_houlsby",
)
BAT = (
    *("--family=bat", "--mels=128", "--window=1024", "--loudness=80"),
    "--scaled=True",
)
OTHERS = {  # by options of the files
    "dasheng": ("ced/lora", ("--family=dasheng",)),
    "bat": ("ced/lora", BAT),
    "audiomae": ("eat/lora", ("--family=audiomae",)),
}
QUICK = ("ced/conformer", "eat/loaa")


def size_of(family, method):
    """Of base size, without the classifier: the AST's, but for norms."""
    if method == "full":
        return FULL[family]
    fewer = family == "eat" and method in WITH_THE_LAST
    return EXPECTED[method] - (FINAL if fewer else 0)


@pytest.mark.parametrize("name", FILES)
def test_trained_parameters(name):
    """As the README states them."""
    family, _, method = name.partition("/")
    with torch.device("meta"):
        encoder = ViT(f"{family}_base")
        adapted = AdaptedEncoder(encoder, **petl_of(FILES[name]))
        pooling = pooling_of(FILES[name], encoder) or torch.nn.Identity()
    expected = size_of(family, method)
    trained = count_parameters(adapted)[0] + count_parameters(pooling)[0]
    assert trained == expected
    readme = (ROOT / "recipes" / "ESC50" / "README.md").read_text("utf-8")
    table = readme.partition("### Trained parameters")[2]
    (row,) = re.findall(rf"\n\| [^|]*`{method}`.*", table)
    column = {"ced": -3, "eat": -2}[family]
    assert row.split("|")[column].strip() == f"{expected:,}"


def test_the_same_methods_for_all():
    """BEATs' too, and no method of an encoder is missing in the README."""
    names = {n.partition("/")[2] for n in FILES}
    beats = (ROOT / "recipes" / "ESC50" / "hparams" / "beats").glob("*.yaml")
    assert {p.stem for p in beats} - {"base"} == names
    assert len(FILES) == 2 * len(names)


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
