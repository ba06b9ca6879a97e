"""wav2vec 2.0, HuBERT and WavLM: numbers, lengths, weights, sizes."""

from functools import partial

import pytest
import torch
import torchaudio
import transformers
from speech_models import (
    FAMILIES,
    SIZE,
    huggingface,
    noise,
    ours,
    scrambled,
    torchaudios,
)
from speechbrain_petl import (
    AST,
    BEATs,
    InputError,
    Prefix,
    Wav2Vec2,
    Waveform,
    load_pretrained,
    save_pretrained,
)
from speechbrain_petl.lobes.relative import GatedAttention
from speechbrain_petl.lobes.wav2vec2 import SIZES
from speechbrain_petl.weights import bundles
from speechbrain_petl.weights.convert_speech import from_wav2vec2
from torch.nn import functional as F

from speechbrain.integrations.huggingface import wav2vec2 as sb_wav2vec2
from speechbrain.integrations.huggingface.hubert import HuBERT

HEADS = [
    *(
        f"{model}For{task}"
        for model in ("Wav2Vec2", "WavLM")
        for task in (
            *("CTC", "XVector"),
            *("AudioFrameClassification", "SequenceClassification"),
        )
    ),
    *("Wav2Vec2ForPreTraining", "HubertForCTC"),
    "HubertForSequenceClassification",
]
every_family = pytest.mark.parametrize("family", FAMILIES)
close = partial(torch.testing.assert_close, atol=1e-4, rtol=1e-4)


@every_family
def test_equals_transformers(family, tmp_path):
    """From a folder as the hub has it; padded too, where they mask all."""
    theirs = huggingface(family)
    theirs.save_pretrained(tmp_path)
    encoder = load_pretrained(ours(family), tmp_path).eval()
    wavs = noise(2, 8000)
    close(encoder(wavs), theirs(wavs).last_hidden_state)
    if SIZES[family][1] == "layer_norm":  # GroupNorm takes padding in
        wavs[1, 5000:] = 0
        lengths = torch.tensor([8000, 5000])
        mask = torch.arange(8000) < lengths.unsqueeze(1)
        expected = theirs(wavs, attention_mask=mask.long()).last_hidden_state
        count = encoder.tokens_of(lengths)[1]
        close(encoder(wavs, lengths)[1, :count], expected[1, :count])


@every_family
def test_equals_torchaudio(family, tmp_path):
    """From a state dict, keys and values fused in WavLM."""
    theirs = torchaudios(family)
    torch.save(theirs.state_dict(), tmp_path / "model.pth")
    encoder = load_pretrained(ours(family), tmp_path).eval()
    wavs = noise(2, 8000)
    close(encoder(wavs), theirs(wavs)[0])


@pytest.mark.parametrize("lengths", [[8000, 5001, 700], [3000, 3000, 100]])
@every_family
def test_padded_batch_equals_one_by_one(family, lengths):
    """Whatever a clip is padded with, and how far."""
    encoder = ours(family).eval()
    waveform = Waveform(seconds=1.0)
    clips = [3 * noise(n, seed=n) + 1 for n in lengths]
    padded = torch.full((3, 9000), 7.0)
    for row, clip in zip(padded, clips):
        row[: len(clip)] = clip
    lengths = torch.tensor(lengths)
    tokens = encoder(waveform(padded, lengths / 9000), lengths.float())
    for clip, row, count in zip(clips, tokens, encoder.tokens_of(lengths)):
        alone = encoder(waveform(clip[None]))[0]
        assert len(alone) == count
        close(row[:count], alone)
        close(
            encoder(waveform(clip[None]), torch.tensor([len(clip)]))[0], alone
        )


@pytest.mark.parametrize("family", ["wav2vec2_base", "hubert_large"])
def test_equals_speechbrain(family, tmp_path):
    """Its interface, front end included, of clips of any loudness alone.

    In a batch it takes the padding into the mean and the variance.
    """
    theirs = {"wav2vec2_base": sb_wav2vec2.Wav2Vec2, "hubert_large": HuBERT}
    huggingface(family).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    lobe = theirs[family](str(tmp_path), save_path=str(tmp_path), freeze=True)
    assert lobe.normalize_wav
    encoder = load_pretrained(ours(family), tmp_path).eval()
    lengths, loudness = torch.tensor([8000, 5000]), [[1.0], [0.003]]
    wavs = torch.tensor(loudness) * (noise(2, 8000) + 0.1)
    tokens = encoder(Waveform(seconds=1.0)(wavs, lengths / 8000), lengths)
    for wav, length, row in zip(wavs, lengths, tokens):
        alone = lobe(wav[None, :length])[0]
        close(row[: len(alone)], alone)


def test_waveforms_are_standardised():
    """As by a LayerNorm over the samples of a clip, cut and padded."""
    clip = noise(5000) + 2
    batch = torch.stack([clip, clip])
    y = Waveform(seconds=0.25)(batch, torch.tensor([1.0, 0.5]))
    assert y.shape == (2, 4000)
    close(y[0], torch.nn.functional.layer_norm(clip[:4000], [4000]))
    close(y[1, :2500], torch.nn.functional.layer_norm(clip[:2500], [2500]))
    assert not y[1, 2500:].any()
    with pytest.raises(InputError, match="seconds=0: nothing is left of a"):
        Waveform(seconds=0)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_torchaudios(name):
    """Every parameter of the published models, by name and shape."""
    with torch.device("meta"):
        encoder = Wav2Vec2(name)
        theirs = getattr(torchaudio.models, name)()
    state = from_wav2vec2(encoder, dict(theirs.state_dict()), {})
    shapes = {k: v.shape for k, v in encoder.state_dict().items()}
    assert {k: v.shape for k, v in state.items()} == shapes


@pytest.mark.parametrize("head", HEADS)
def test_models_for_a_task(head, tmp_path):
    """Whatever transformers puts around an encoder, it is the encoder."""
    family = f"{head.partition('For')[0].lower()}_base"
    config = huggingface(family).config
    config.use_weighted_layer_sum = True
    theirs = scrambled(getattr(transformers, head)(config)).eval()
    theirs.save_pretrained(tmp_path)
    encoder = load_pretrained(ours(family), tmp_path).eval()
    wavs = noise(1, 4000)
    close(encoder(wavs), theirs.base_model(wavs).last_hidden_state)


def test_old_names_of_weight_norm(tmp_path):
    """As in files that were written before PyTorch 2, inside a task's model."""
    theirs = torchaudios("wav2vec2_base")
    g, v = (
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    )
    state = {
        f"model.{k.replace(g, 'weight_g').replace(v, 'weight_v')}": t
        for k, t in theirs.state_dict().items()
    }
    heads = ("lm_head.weight", "aux.bias", "layer_weights")
    state |= {name: torch.zeros(2) for name in heads}
    torch.save(state, tmp_path / "old.pth")
    encoder = load_pretrained(ours(), tmp_path / "old.pth").eval()
    close(encoder(noise(1, 4000)), theirs(noise(1, 4000))[0])


@pytest.mark.parametrize("family", ["wav2vec2_base", "wavlm_large"])
def test_own_file(family, tmp_path):
    """Saved and loaded."""
    encoder = ours(family)
    file = save_pretrained(encoder, tmp_path / "own.safetensors")
    other = load_pretrained(ours(family, seed=1), file)
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


def test_torchaudio_bundle(monkeypatch):
    """By its name, without a network an error that says what to do."""
    model, asked = torchaudio.models.wav2vec2_base(), []

    def load(url, **options):
        asked.append((url, options["weights_only"]))
        return model.state_dict()

    where = "torchaudio.pipelines._wav2vec2.utils.load_state_dict_from_url"
    monkeypatch.setattr(where, load)
    encoder = load_pretrained(Wav2Vec2("wav2vec2_base"), "WAV2VEC2_BASE")
    assert torch.equal(
        encoder.feature_extractor.conv_layers[0].conv.weight,
        model.feature_extractor.conv_layers[0].conv.weight,
    )
    assert asked[0][0].endswith("wav2vec2_fairseq_base_ls960.pth")
    assert asked[0][1]
    assert not bundles.is_bundle("SQUIM_OBJECTIVE")

    def fail(url, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(where, fail)
    with pytest.raises(InputError, match="HUBERT_BASE .*no route.*--source="):
        load_pretrained(ours(), "HUBERT_BASE")

    def damaged(url, **options):
        raise RuntimeError("PytorchStreamReader failed. Do not do this.")

    monkeypatch.setattr(where, damaged)
    with pytest.raises(InputError, match="HUBERT_BASE .*failed.*--source="):
        load_pretrained(ours(), "HUBERT_BASE")


@pytest.mark.parametrize(
    "size, family, message",
    [
        ("wav2vec_base", None, "'wav2vec_base' is neither.*mean wav2vec2_base"),
        ([40, 2, 2], None, "multiple of heads and of 16"),
        ([48, 2, 5], None, "multiple of heads"),
        ([32, 2], None, r"\[32, 2\] is neither one of wav2vec2_base"),
        (768, None, "768 is neither"),
        (None, None, "None is neither"),
        (SIZE, "wavlm", "family='wavlm' is not one of .*mean wavlm_"),
    ],
)
def test_wrong_sizes(size, family, message):
    """Each message names the value and the remedy."""
    with pytest.raises(InputError, match=message):
        Wav2Vec2(size, **({"family": family} if family else {}))


def _without(state):
    name = "encoder.layers.1.attention.q_proj.weight"
    return {k: v for k, v in state.items() if k != name}


@pytest.mark.parametrize(
    "change, message",
    [
        (_without, "depth 2: missing: .*layers.1.attention.q_proj.weight"),
        (lambda s: {**s, "new": torch.ones(1)}, "depth 2: unexpected: new"),
        (lambda s: {}, "holds no state dict"),
        (lambda s: dict.fromkeys(s, 3), "holds no state dict"),
        (
            lambda s: AST((32, 2, 2)).state_dict(),
            "missing.*unexpected: cls_token",
        ),
        (lambda s: BEATs(SIZE).state_dict(), "missing: .*another shape"),
        (lambda s: ours("wavlm_base").state_dict(), "unexpected: .*gru_rel"),
        (lambda s: ours(size=(32, 3, 2)).state_dict(), "depth 2: unexpected"),
        (lambda s: ours(size=(64, 2, 2)).state_dict(), r"\(64\) instead of"),
    ],
)
def test_wrong_weights(change, message, tmp_path):
    """Of other models, not all there, or too many."""
    file = tmp_path / "model.pth"
    torch.save(change(huggingface("wav2vec2_base").state_dict()), file)
    with pytest.raises(InputError, match=f"model.pth .*{message}"):
        load_pretrained(ours(), file)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_damaged_weights(suffix, tmp_path):
    """Half of a file, nothing of it, or what git-lfs has left of it."""
    file = tmp_path / f"model.{suffix}"
    if suffix == "pth":
        torch.save(ours().state_dict(), file)
    else:
        save_pretrained(ours(), file)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"version https://git-lfs"):
        file.write_bytes(content)
        with pytest.raises(InputError, match="cut short, a git-lfs pointer"):
            load_pretrained(ours(), file)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_attention_heads": 4}, "num_attention_heads=4.*has 2.*enc"),
        ({"do_stable_layer_norm": True}, "do_stable_layer_norm=True.* False"),
        ({"conv_stride": (5, 2, 2, 2, 2, 2, 1)}, r"conv_stride=\[5, 2, "),
    ],
)
def test_what_shapes_do_not_tell(change, message, tmp_path):
    """Heads and strides of another model, of which config.json tells."""
    theirs = huggingface("wav2vec2_base")
    theirs.save_pretrained(tmp_path)
    load_pretrained(ours(), tmp_path)
    for name, value in change.items():
        setattr(theirs.config, name, value)
    theirs.config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=f"model.safetensors: .*{message}"):
        load_pretrained(ours(), tmp_path)


def test_without_a_network(monkeypatch):
    """What to do, and which bundle may have been meant."""
    with pytest.raises(InputError, match="wav2vec2-base.*no conn.*--source=/"):
        load_pretrained(ours(), "facebook/wav2vec2-base")
    for name in ("WAV2VEC2_BAS", "wav2vec2_base"):
        with pytest.raises(InputError, match=f"'{name}'.*mean WAV2VEC2_BASE"):
            load_pretrained(ours(), name)


@pytest.mark.parametrize("gate", ["input", "query"])
def test_learned_tokens_have_no_position(gate):
    """With a prefix, the bias of the others is what it was."""
    torch.manual_seed(0)
    (layer,) = Wav2Vec2((32, 1, 2)).encoder.transformer.layers
    attention = scrambled(GatedAttention(layer.attention, gate))
    heads, names = attention._heads, ("q_proj", "k_proj", "v_proj")
    x, bias = noise(3, 10, 32), noise(1, 2, 10, 10, seed=1)
    q, *own = (heads(getattr(attention, name)(x)) for name in names)
    y = Prefix(attention, tokens=4)(x, position_bias=(bias,))[0]
    rows = (getattr(attention, name).rows for name in names[1:])
    k, v = (
        torch.cat([mine, heads(learned.expand(3, -1, -1))], dim=2)
        for mine, learned in zip(own, rows)
    )
    gates = attention._gates(q if gate == "query" else heads(x))
    mask = F.pad(gates * bias, (0, 4))
    expected = F.scaled_dot_product_attention(q, k, v, mask)
    close(y, attention.out_proj(expected.transpose(1, 2).flatten(2)))


def test_gradient_checkpointing_changes_no_gradient():
    """With padding, whose mask the second forward needs too."""
    lengths, gradients = torch.tensor([6000, 3000]), []
    for checkpointing in (False, True, "selective"):
        encoder = ours("wavlm_base", gradient_checkpointing=checkpointing)
        encoder.train()(noise(2, 6000), lengths)[0].sum().backward()
        gradients.append({n: p.grad for n, p in encoder.named_parameters()})
    for recomputed in gradients[1:]:
        torch.testing.assert_close(recomputed, gradients[0])
