"""A published AST with its head: the tags of transformers, waveform to logits."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from checkpoints import hf_config, randomise, refusal_of
from speechbrain_petl import AudioClassifier, NormLinear, load_pretrained_head
from speechbrain_petl.inference.commands.classify import main
from speechbrain_petl.inference.tagger import audioset_classes
from transformers import ASTFeatureExtractor, ASTForAudioClassification

SAMPLES = (160000, 80000, 3000, 200000)  # as long, shorter, and cut


@pytest.fixture(scope="module")
def theirs():
    labels = dict(enumerate(audioset_classes()))
    config = hf_config(id2label=labels, num_labels=527)
    return randomise(ASTForAudioClassification(config))


@pytest.fixture(scope="module")
def folder(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("MIT")
    theirs.save_pretrained(folder)
    ASTFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def official_file(theirs, tmp_path_factory):
    """The same weights as the authors of the AST have released them."""
    names = {
        "cls_token": "embeddings.cls_token",
        "dist_token": "embeddings.distillation_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "norm": "layernorm",
    }
    state, saved = theirs.audio_spectrogram_transformer.state_dict(), {}
    for ours, name in names.items():
        for key in [k for k in state if k == name or k.startswith(f"{name}.")]:
            saved[f"module.v.{key.replace(name, ours)}"] = state[key]
    for i in range(2):
        at = f"layers.{i}"
        layers = {
            "norm1": "layernorm_before",
            "norm2": "layernorm_after",
            "attn.proj": "attention.o_proj",
            "mlp.fc1": "mlp.fc1",
            "mlp.fc2": "mlp.fc2",
        }
        for kind in ("weight", "bias"):
            for ours, name in layers.items():
                value = state[f"{at}.{name}.{kind}"]
                saved[f"module.v.blocks.{i}.{ours}.{kind}"] = value
            parts = [state[f"{at}.attention.{p}_proj.{kind}"] for p in "qkv"]
            saved[f"module.v.blocks.{i}.attn.qkv.{kind}"] = torch.cat(parts)
            head = theirs.classifier
            for number, layer in enumerate((head.layernorm, head.dense)):
                value = getattr(layer, kind).detach()
                saved[f"module.mlp_head.{number}.{kind}"] = value
    path = tmp_path_factory.mktemp("official") / "audioset_10_10_0.4593.pth"
    torch.save(saved, path)
    return path


def logits_of(theirs, wav):
    inputs = ASTFeatureExtractor()(wav, 16000, return_tensors="pt")
    with torch.no_grad():
        return theirs(**inputs).logits[0]


def logits_of_ours(tagger, wav):
    modules = tagger.mods
    with torch.no_grad():
        tokens = modules["encoder"](modules["fbank"](wav[None]))
        return modules["classifier"](modules["pooling"](tokens))[0]


@pytest.mark.parametrize("form", ["folder", "official_file"])
def test_waveform_to_logits_equal_transformers(
    form, theirs, tmp_path, monkeypatch, request
):
    source = request.getfixturevalue(form)
    # 48 wide, it has no heads that DeiT's would tell
    monkeypatch.setattr(
        "speechbrain_petl.weights.ast_files.SIZES", {"": (48, 2, 3)}
    )
    tagger = AudioClassifier.from_hparams(str(source))
    draws = np.random.default_rng(0)
    for samples in SAMPLES:
        wav = 0.1 * draws.standard_normal(samples).astype(np.float32)
        expected = logits_of(theirs, wav)
        ours = logits_of_ours(tagger, torch.from_numpy(wav))
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)
        assert expected.std() > 0.1  # so that equal says something
        path = tmp_path / f"{samples}.wav"
        soundfile.write(path, wav, 16000, subtype="FLOAT")
        probabilities, _, _, names = tagger.classify_file(path, windows=1)
        torch.testing.assert_close(
            probabilities[0], expected.sigmoid(), atol=1e-4, rtol=0
        )
        assert names == [audioset_classes()[int(expected.argmax())]]


def test_the_command_names_tags(folder, tmp_path, capsys):
    path = tmp_path / "dog.wav"
    soundfile.write(path, np.random.default_rng(0).normal(size=8000) / 9, 16000)
    main([str(folder), str(path), "--top=527", "--device=cpu"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"{path}: ")
    assert all(name in printed for name in audioset_classes())


def test_other_classes_have_their_names_and_statistics(tmp_path):
    config = hf_config(max_length=128, id2label={0: "yes", 1: "no"})
    ASTForAudioClassification(config).save_pretrained(tmp_path)
    front = ASTFeatureExtractor(mean=-6.8, std=5.5, max_length=128)
    front.save_pretrained(tmp_path)
    tagger = AudioClassifier.from_hparams(str(tmp_path))
    assert tagger.hparams.labels == ["yes", "no"]
    assert tagger.hparams.activation == "softmax"
    assert (tagger.mods["fbank"].mean, tagger.mods["fbank"].frames) == (
        -6.8,
        128,
    )


def alter(folder, copy, name, **stated):
    shutil.copytree(folder, copy)
    file = copy / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **stated}))
    return copy


def test_what_is_not_normalised(theirs, folder, tmp_path):
    """do_normalize was not looked at."""
    name = "preprocessor_config.json"
    copy = alter(folder, tmp_path / "raw", name, do_normalize=False)
    tagger = AudioClassifier.from_hparams(str(copy))
    wav = np.random.default_rng(0).normal(size=16000).astype(np.float32) / 9
    front = ASTFeatureExtractor.from_pretrained(copy)
    expected = front(wav, 16000, return_tensors="pt")["input_values"]
    found = tagger.mods["fbank"](torch.from_numpy(wav)[None])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    "key, value",
    [
        ("sampling_rate", 32000),
        ("num_mel_bins", 64),
        ("max_length", 512),
        ("feature_extractor_type", "Wav2Vec2FeatureExtractor"),
    ],
)
def test_what_it_heard_otherwise_is_refused(key, value, folder, tmp_path):
    name = "preprocessor_config.json"
    copy = alter(folder, tmp_path / "other", name, **{key: value})
    words = [name, f"{key}={value!r}"]
    refusal_of(AudioClassifier.from_hparams, str(copy), words=words)


@pytest.mark.parametrize(
    "key, value",
    [("hidden_act", "gelu_new"), ("qkv_bias", False), ("patch_size", 8)],
)
def test_another_function_is_refused(key, value, folder, tmp_path):
    """As it is where an encoder is loaded."""
    copy = alter(folder, tmp_path / "other", "config.json", **{key: value})
    words = ["model.safetensors", f"{key}={value!r}"]
    refusal_of(AudioClassifier.from_hparams, str(copy), words=words)


@pytest.mark.parametrize(
    "values, words", [([torch.nan], "not finite"), ([7], "of whole numbers")]
)
@pytest.mark.parametrize(
    "name", ["classifier.dense.bias", "mer.layernorm.bias"]
)
def test_what_no_weight_can_be(name, values, words, theirs, tmp_path):
    """Tags were made of it, and a run was begun with its head."""
    state = theirs.state_dict()
    (key,) = (k for k in state if k.endswith(name))
    state[key] = torch.tensor(values * len(state[key]))
    file = tmp_path / "odd.pth"
    torch.save(state, file)
    refusal_of(AudioClassifier.from_hparams, str(file), words=[words, "odd"])
    if name.startswith("classifier"):
        head = NormLinear(48, 527)
        refusal_of(load_pretrained_head, head, file, words=[words, "odd"])


@pytest.mark.parametrize(
    "names", [["a", "b"], {"cat": 0, "dog": 1}, {"0": "cat", "2": "dog"}, None]
)
def test_names_that_are_not_one_an_output(names, tmp_path):
    model = ASTForAudioClassification(hf_config(num_labels=2))
    model.save_pretrained(tmp_path / "two")
    copy = alter(
        tmp_path / "two", tmp_path / "odd", "config.json", id2label=names
    )
    words = ["2 outputs and no names", '"id2label"']
    refusal_of(AudioClassifier.from_hparams, str(copy), words=words)


def test_what_names_no_classes_is_refused(theirs, tmp_path):
    torch.save(
        theirs.audio_spectrogram_transformer.state_dict(), tmp_path / "a.pth"
    )
    refusal_of(
        AudioClassifier.from_hparams, tmp_path / "a.pth", words=["no head"]
    )
    config = hf_config(num_labels=5)
    state = ASTForAudioClassification(config).state_dict()
    torch.save(state, tmp_path / "a.pth")
    words = ["5 outputs and no names", "id2label"]
    refusal_of(AudioClassifier.from_hparams, tmp_path / "a.pth", words=words)
