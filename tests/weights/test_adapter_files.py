"""Adapter files and folders: what they hold, what is refused, what may run."""

import json
import pickle
import re
import shutil
import sys

import pytest
import torch
from finished_runs import altered, unseal
from method_files import ROOT
from safetensors import safe_open
from speechbrain_petl import AudioClassifier, InputError, save_pretrained
from speechbrain_petl.inference.building import build
from speechbrain_petl.inference.reading import (
    DESCRIPTION,
    HPARAMS,
    read_adapter,
    read_run,
)
from speechbrain_petl.inference.share import save_adapter
from speechbrain_petl.weights.adapter_files import WEIGHTS

CPU = {"device": "cpu"}


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory):
    """An adapter folder of an ESC-50 run."""
    return save_adapter(finished("ESC50"), tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def copied(folder, tmp_path):
    """One to be spoilt."""
    return shutil.copytree(folder, tmp_path / "copied")


def load(source, **kwargs):
    """The classifier of a folder."""
    return AudioClassifier.from_hparams(source, run_opts=CPU, **kwargs)


def rewrite(folder, **changes):
    """Change keys of the description."""
    path = folder / DESCRIPTION
    unseal(path)
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, **changes}))
    return described


def clip_mean(reference):
    """A pooling that refers to something of the encoder."""
    return {"!new:speechbrain_petl.ClipMean": {"encoder": {"!ref": reference}}}


def said(classifier):
    """Probabilities of some noise."""
    generator = torch.Generator().manual_seed(3)
    return classifier.classify_batch(
        torch.randn(4, 8000, generator=generator) / 10
    )[0]


def test_a_folder_is_its_run(finished, folder):
    """The same probabilities and labels, from the learned tensors alone."""
    run = finished("ESC50")
    adapter, wanted = load(folder), AudioClassifier.from_run(run, run_opts=CPU)
    assert torch.equal(said(adapter), said(wanted))
    assert adapter.hparams.labels == wanted.hparams.labels
    assert len(adapter.hparams.labels) == 10
    trained = json.loads((run / "result.json").read_text())
    with safe_open(folder / WEIGHTS, "pt") as file:
        sizes = [file.get_tensor(name).numel() for name in file.keys()]
    assert sum(sizes) == trained["trainable_parameters"]
    described = json.loads((folder / DESCRIPTION).read_text())
    assert str(run) not in json.dumps(described)


@pytest.mark.parametrize("kind", ["AudioSet", "BrazilianAccents"])
def test_folders_of_other_runs(finished, tmp_path, kind):
    """Of tags, and of windows that overlap."""
    run = finished(kind)
    adapter = load(save_adapter(run, tmp_path / "adapter"))
    wanted = AudioClassifier.from_run(run, run_opts=CPU)
    assert torch.equal(said(adapter), said(wanted))
    assert adapter.hparams.activation == wanted.hparams.activation
    assert adapter.hparams.overlap == wanted.hparams.overlap
    assert (adapter.hparams.overlap is None) == (kind == "AudioSet")


def test_the_weights_hold_what_was_tested(finished):
    """Not the last epoch's, nor the checkpoint's copy of the encoder."""
    run = finished("ESC50")
    tensors = read_run(run).tensors
    (folder,) = (run / "save").glob("CKPT*")
    for name, learned in tensors.items():
        state = torch.load(folder / f"{name}.ckpt", weights_only=True)
        assert state.keys() == learned.keys()
        assert all(torch.equal(state[k], v) for k, v in learned.items())


def test_other_weights_of_the_same_shape_are_refused(folder, tmp_path):
    """By the hash of what is frozen; what is learned may differ."""
    saved = read_adapter(folder)
    base = saved.base()
    right = save_pretrained(base, tmp_path / "right.safetensors")
    assert torch.equal(said(load(folder, base=right)), said(load(folder)))
    base.norm.weight.data.fill_(0.0)  # replaced by the adapter's
    right = save_pretrained(base, tmp_path / "norm.safetensors")
    assert torch.equal(said(load(folder, base=right)), said(load(folder)))
    base.blocks[1].mlp.fc1.bias.data[0] += 1e-4
    wrong = save_pretrained(base, tmp_path / "wrong.safetensors")
    with pytest.raises(
        InputError, match="on another base .* the hash [0-9a-f]"
    ):
        load(folder, base=wrong)


def test_a_base_of_another_size_is_refused(copied, tmp_path):
    """Whether the weights or the description are of another size."""
    size = {"!new:speechbrain_petl.AST": {"size": [32, 3, 2], "frames": 64}}
    larger = save_pretrained(build(size), tmp_path / "larger.safetensors")
    with pytest.raises(InputError, match="copied adapts .* dim 32 and depth 2"):
        load(copied, base=larger)
    rewrite(copied, encoder=size)
    with pytest.raises(InputError, match="belongs to another method or enc"):
        load(copied)


def test_other_frames_are_another_base(copied):
    """All weights fit, but not the positions."""
    described = rewrite(copied)
    (encoder,) = described["encoder"].values()
    longer = {"!new:speechbrain_petl.AST": {**encoder, "frames": 96}}
    rewrite(copied, encoder=longer)
    with pytest.raises(InputError, match="frozen parameters, not "):
        load(copied)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": ["cat"]}, "its classifier has .*They belong to two runs"),
        ({"labels": "cat"}, "labels"),
        ({"labels": []}, "labels"),
        ({"labels": list(range(10))}, "labels"),
        ({"format": "speechbrain_petl adapter 2"}, "describes no adapter"),
        ({"petl": {"train": ["norm.*"]}}, "belongs to another method"),
        ({"petl": {"train": ["nor.*"]}}, "matches nothing"),
        ({"petl": {"warp": {}}}, "petl"),
        ({"petl": ["norm.*"]}, "petl"),
        ({"petl": None}, "petl"),
        ({"encoder": {"!new:speechbrain_petl.AST": {"size": 3}}}, "ast_size=3"),
        ({"encoder": {"!new:speechbrain_petl.AST": {"x": 3}}}, "AST"),
        ({"encoder": "AST"}, "encoder"),
        (
            {"encoder": {"!new:speechbrain_petl.Ast": {}}},
            "speechbrain_petl.Ast",
        ),
        ({"encoder": {"!new:speechbrain_petl.InputError": {}}}, "InputErr"),
        ({"pooling": clip_mean("encoder.nothing")}, "refers to encoder.no"),
        ({"pooling": clip_mean("encoder.__class__")}, "refers to encoder.__"),
        ({"fbank": {"!ref": "encoder"}}, "fbank cannot be"),
        ({"fbank": None}, "fbank"),
        ({"classifier": {"!new:torch.nn.Linear": {}}}, "torch.nn.Linear"),
        ({"classifier": None}, "classifier"),
        ({"pooling": {"!new:speechbrain_petl.Pooling": {"mode": "x"}}}, "x"),
        ({"seed": "one"}, "seed"),
        ({"overlap": "half"}, "overlap"),
        ({"source": 3}, "source"),
    ],
    ids=str,
)
def test_a_tampered_description(copied, change, message):
    """One line, whatever was changed."""
    rewrite(copied, **change)
    with pytest.raises(InputError, match=message):
        load(copied)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", "null", '{"format": 1}', "\xff"]
)
def test_no_description(copied, text):
    """Another file of that name."""
    (copied / DESCRIPTION).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="adapter.json describes no adapter"):
        load(copied)


def test_broken_weights(copied, finished):
    """Cut short, a pointer of git-lfs, another safetensors, none."""
    path = copied / WEIGHTS
    content = path.read_bytes()
    for broken in (content[:-9], content[:5], b"version https://git-lfs", b""):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="cannot be read as an adapter"):
            load(copied)
    save_pretrained(build_ast(), path)
    with pytest.raises(InputError, match="holds no adapter: its format is"):
        load(copied)
    path.unlink()
    with pytest.raises(InputError, match="holds neither adapter.safetensors"):
        load(copied)


def build_ast():
    """A tiny AST."""
    ast = "!new:speechbrain_petl.AST"
    return build({ast: {"size": [32, 2, 2], "frames": 64}})


def test_flipped_bits_of_the_activation(copied):
    """What the metadata may say."""
    unseal(copied / DESCRIPTION)
    path = copied / WEIGHTS
    content = path.read_bytes()
    assert content.count(b'"softmax"') == 1
    path.write_bytes(content.replace(b'"softmax"', b'"softmix"'))
    with pytest.raises(InputError, match="activation 'softmix' is not one of"):
        load(copied)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "stranger.Stranger",
        "torch.nn.modules.linear.Linear",
        "torch.hub.load",
        "speechbrain_petl_evil.AST",
        "speechbrain_petl.recipe.main.torch.hub.load",
        "speechbrain_petl.recipe.main.run_main",
        "speechbrain_petl.inference.classifier.Pretrained",
        "speechbrain_petl.AudioClassifier.from_hparams",
        "speechbrain_petl.inference.saved.torch.nn.Linear",
    ],
)
def test_a_stranger_runs_nothing(copied, monkeypatch, name):
    """Classes of other packages are not even imported without trust."""
    monkeypatch.delitem(sys.modules, "stranger", raising=False)
    new, named = {f"!new:{name}": {}}, {f"!name:{name}": {}}
    for change in (
        {"encoder": new},
        {"fbank": new},
        {"pooling": {"!new:speechbrain_petl.Pooling": {"mode": new}}},
        {"classifier": named},
        {"petl": named},
        {"petl": {"wrap": {"blocks.0": named}, "train": []}},
        {"petl": {"wrap": {}, "train": [new]}},
    ):
        old = rewrite(copied, **change)
        with pytest.raises(InputError, match=f"{name} is none of the classes"):
            load(copied)
        rewrite(copied, **old)
    assert "stranger" not in sys.modules
    load(copied)


def test_trust_builds_it(copied):
    """A class of one's own, which cannot always be found."""
    arguments = {"in_features": 32, "out_features": 10}
    theirs = {"!name:torch.nn.modules.linear.Linear": {}}
    wanted = said(load(copied))
    rewrite(copied, classifier=theirs)
    assert torch.equal(said(load(copied, trust=True)), wanted)
    rewrite(copied, classifier={"!name:no_such_module.Linear": arguments})
    with pytest.raises(InputError, match="cannot be imported: do it from"):
        load(copied, trust=True)


def test_a_run_of_a_stranger(finished, tmp_path):
    """Its yaml is read as a description, too: it calls nothing."""
    run = tmp_path / "run"
    shutil.copytree(finished("ESC50"), run)
    unseal(run / "result.json")
    text = (run / HPARAMS).read_text()
    harm = f"!apply:pathlib.Path.touch [{tmp_path / 'harm'}]"
    (run / HPARAMS).write_text(f"{text}\nharm: {harm}\n")
    AudioClassifier.from_run(run, run_opts=CPU)
    text = re.sub(r"(?m)^encoder: .*\n(  .*\n)+", f"encoder: {harm}\n", text)
    (run / HPARAMS).write_text(text)
    for trust in (False, True):
        with pytest.raises(InputError, match="where inference reads no calls"):
            AudioClassifier.from_run(run, run_opts=CPU, trust=trust)
    assert not (tmp_path / "harm").exists()


class Harm:
    """Unpickled, it runs a function."""

    def __reduce__(self):
        return sys.exit, ("unpickled",)


def test_a_pickle_is_not_unpickled(copied, tmp_path):
    """As a base, or in the place of the adapter."""
    torch.save({"x": Harm()}, tmp_path / "base.pt")
    with pytest.raises(InputError, match="holds more than tensors"):
        load(copied, base=tmp_path / "base.pt")
    (copied / WEIGHTS).write_bytes(pickle.dumps(Harm()))
    with pytest.raises(InputError, match="cannot be read as an adapter"):
        load(copied)


def test_tensors_are_loaded_as_tensors_only():
    """By all of the package."""
    calls = [
        (path.name, call)
        for path in (ROOT / "speechbrain_petl").rglob("*.py")
        for call in re.findall(r"torch\.load\(.*?\)", path.read_text(), re.S)
    ]
    assert len(calls) >= 2
    assert not [c for c in calls if "weights_only=True" not in c[1]]


def test_another_adapter_says_something_else(finished, folder, tmp_path):
    """Two of one base differ by their tensors."""
    other = altered(finished("ESC50"), tmp_path / "run")
    other = save_adapter(other, tmp_path / "other")
    assert not torch.allclose(said(load(other)), said(load(folder)), atol=1e-3)
    shutil.copy(other / WEIGHTS, tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() != (folder / WEIGHTS).read_bytes()
