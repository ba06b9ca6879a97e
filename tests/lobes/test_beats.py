"""BEATs: numbers of SpeechBrain's lobe, lengths, weights."""

from functools import partial

import pytest
import torch
from speech_models import (
    noise,
    ours as wav2vec2,
    scrambled,
)
from speechbrain_petl import (
    BEATs,
    Fbank,
    InputError,
    load_pretrained,
    save_pretrained,
)
from speechbrain_petl.weights.convert_speech import from_beats

from speechbrain.lobes.models import beats as theirs

# of the logarithm of Kaldi's energies of 16-bit samples, 65,536 from end to
# end, which the weights expect
BEATS_MEAN, BEATS_STD = 15.41663, 6.55582
SIZE = (32, 2, 2)
close = partial(torch.testing.assert_close, atol=1e-4, rtol=1e-4)


def fbank(frames):
    """The front end, as recipes have it."""
    return Fbank(
        frames,
        mean=BEATS_MEAN,
        std=BEATS_STD,
        window="povey",
        scale=2**15,
    )


def ours(seed=0, **options):
    """A tiny BEATs."""
    torch.manual_seed(seed)
    return scrambled(BEATs(SIZE, **options))


@pytest.fixture
def checkpoint(tmp_path):
    """A tiny checkpoint as published: {"cfg": ..., "model": ...}."""
    config = {**vars(ours().config), "encoder_layerdrop": 0.05}
    path = tmp_path / "BEATs_iter3.pt"
    torch.manual_seed(1)
    model = _speechbrains(config)
    torch.save({"cfg": config, "model": model.state_dict()}, path)
    return path


def _speechbrains(config):
    """SpeechBrain's BEATs can only be built from a file, or whole."""
    config_class = theirs.BEATsConfig
    theirs.BEATsConfig = lambda _: config_class(config)
    try:
        return scrambled(theirs.BEATs(None, freeze=False)).eval()
    finally:
        theirs.BEATsConfig = config_class


def test_equals_speechbrain(checkpoint):
    """From waveforms to tokens, with the weights of one file."""
    lobe = theirs.BEATs(str(checkpoint), freeze=True)
    encoder = load_pretrained(ours(), checkpoint).eval()
    wavs = 0.1 * noise(2, 16000)
    expected = lobe(wavs, torch.ones(2))[0]
    features = fbank(98)(wavs)
    close(features, lobe.preprocess(wavs))
    close(encoder(features), expected)
    close(encoder(features, torch.tensor([16000, 16000])), expected)


@pytest.mark.parametrize("lengths", [[16000, 9000, 3000], [8000, 2960, 300]])
def test_padded_batch_equals_one_by_one(lengths):
    """With the spectrogram cut to the frames of the clip, or not."""
    encoder, wavs = ours().eval(), 0.1 * noise(3, 16000)
    lengths = torch.tensor(lengths)
    features = fbank(98)(wavs, lengths / 16000)
    tokens = encoder(features, lengths.float())
    for i, count in enumerate(encoder.tokens_of(lengths)):
        frames = max(Fbank(98).frames_of(int(lengths[i])), 16)
        alone = encoder(features[i : i + 1, :frames])[0]
        assert len(alone) == count
        close(tokens[i, :count], alone)


def test_whole_size_is_speechbrains(monkeypatch):
    """Every parameter, by name and shape, with the published settings."""
    monkeypatch.setattr(theirs, "init_bert_params", lambda module: None)
    monkeypatch.setattr(f"{__name__}.scrambled", lambda model: model)
    with torch.device("meta"):
        encoder = BEATs()
        lobe = _speechbrains(vars(encoder.config))
    state = from_beats(encoder, dict(lobe.state_dict()), {})
    shapes = {k: v.shape for k, v in encoder.state_dict().items()}
    assert {k: v.shape for k, v in state.items()} == shapes


def test_own_file(tmp_path):
    """Saved and loaded."""
    file = save_pretrained(ours(), tmp_path / "own.safetensors")
    other = load_pretrained(ours(seed=1), file)
    for name, tensor in ours().state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


def test_wrong_checkpoints_and_sizes(checkpoint):
    """Each message names the value and the remedy."""
    saved = torch.load(checkpoint)
    saved["cfg"]["max_distance"] = 1280
    torch.save(saved, checkpoint)
    with pytest.raises(InputError, match="max_distance=1280.*has 800.*iter3"):
        load_pretrained(ours(), checkpoint)
    saved["cfg"] = "none"
    saved["model"].popitem()
    torch.save(saved, checkpoint)
    with pytest.raises(InputError, match="BEATs of dim 32.*depth 2: missing"):
        load_pretrained(ours(), checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:3000])
    with pytest.raises(InputError, match="BEATs_iter3.pt .*cut short"):
        load_pretrained(ours(), checkpoint)
    torch.save(wav2vec2().state_dict(), checkpoint)
    with pytest.raises(InputError, match="missing: patch_embedding.weight"):
        load_pretrained(ours(), checkpoint)
    for size in ("large", 768, [32, 2], None):
        with pytest.raises(InputError, match="is neither one of base nor"):
            BEATs(size)
    with pytest.raises(InputError, match="mels=120.*take 112"):
        BEATs(SIZE, mels=120)


def test_gradient_checkpointing_changes_no_gradient():
    """With padding, whose mask the second forward needs too."""
    lengths, gradients = torch.tensor([16000, 9000]), []
    for checkpointing in (False, True):
        encoder = ours(gradient_checkpointing=checkpointing).train()
        encoder(noise(2, 98, 128), lengths)[0].sum().backward()
        gradients.append({n: p.grad for n, p in encoder.named_parameters()})
    torch.testing.assert_close(gradients[1], gradients[0])
