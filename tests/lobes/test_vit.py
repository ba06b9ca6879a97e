"""CED, Dasheng, EAT, SSLAM, BAT and Audio-MAE: the numbers of their authors.

These were computed once of the weights and the input of ``vit_models.rule``, in
dimension 32, by the authors' code:

- CED: github.com/RicherMans/CED at 60a0f54
- Dasheng: github.com/XiaoMi/dasheng at 711a6da
- EAT: github.com/cwx-worst-one/EAT at 06c1c34; the model files of SSLAM,
  github.com/ta012/SSLAM at 0a3c0ff, are the same word for word
- BAT: github.com/houtan-ghaffari/BAT_ICML2026 at cc92282
- Audio-MAE: github.com/facebookresearch/AudioMAE at bd60e29
"""

import pytest
import torch
from speechbrain_petl import ClipMean, Fbank, InputError, MelDB, ViT
from speechbrain_petl.lobes.vit_families import FAMILIES, SIZES
from vit_models import SIZE, ours, spectrogram, waveforms

BAT_FRONT = {"mels": 128, "window": 1024, "loudness": 80, "scaled": True}
# tokens 0, 7, ... of the first clip, numbers 0, 11, 22 of each; the mean of all
TOKENS = {
    "ced": (
        [
            *(0.159296, 0.173311, 0.465519, 0.469454, 0.626743, 0.846838),
            *(0.711296, -0.466716, 0.476648, 0.034129, 0.66707, 0.343211),
        ],
        0.0429458,
    ),
    "dasheng": (
        [
            *(-0.112341, -1.332672, -0.058963, -0.191432, -1.524191),
            *(0.040788, 0.184696, -1.42308, 0.077775, 0.173463, -1.368736),
            0.131288,
        ],
        0.0489359,
    ),
    "eat": (
        [
            *(0.678775, -0.160323, 0.025122, -0.694777, 1.483714, -0.134969),
            *(0.51974, 2.086231, -0.52595, -0.259495, 2.093763, -0.358946),
        ],
        0.0886708,
    ),
    "bat": (
        [
            *(0.463148, 1.520881, 0.370267, -1.332716, -0.539976, 0.483634),
            *(0.035272, 2.189243, -0.126089, -0.307676, 0.935386, -0.277606),
        ],
        0.0676427,
    ),
    "audiomae": (
        [
            *(0.840203, -0.879993, 0.24425, 0.651093, 0.440785, -0.121013),
            *(0.588304, -1.008576, -0.710698, 0.44813, -0.111177, -0.065946),
        ],
        0.0188687,
    ),
}
FRONT_ENDS = {  # frames 0 and 7 of the first clip, mels 0, 11, ...
    "ced": (
        [
            *(-15.071157, -10.328126, 16.254568, 8.075775, 3.580816),
            *(16.732122, -6.016248, 13.228167, -1.850983, 1.147465),
            *(13.986148, 13.92387),
        ],
        -0.8074893,
    ),
    "eat": (
        [
            *(-0.605294, -0.093333, 0.301715, 0.178084, -0.006371, 0.652013),
            *(0.113585, 0.662773, 0.649181, 0.844092, 0.772684, 0.957161),
        ],
        0.1757202,
    ),
    "bat": (
        [
            *(0.56283, 0.506041, 0.802026, 0.790218, 0.906489, 0.889457),
            *(0.60941, 0.874817, 0.78493, 0.813529, 0.94836, 0.940576),
        ],
        0.8021765,
    ),
}
# places 0, 61, ..., numbers 0, 5, ... of the positions before training
SINES = {
    "eat": [0, 0, 1, 1, 0, 1, 1, -0.958924, 0.015811, 0.877583, 0.999999],
    "bat": [0, 0, 1, 1, 0, 1, 1, -0.966118, 0.191705, 0.983268, 0.999814],
}


def agrees(actual, expected, atol):
    """Some numbers, and the mean."""
    numbers, mean = expected
    some = actual[0, ::7, ::11].flatten()[: len(numbers)]
    close = {"atol": atol, "rtol": 0}
    torch.testing.assert_close(some, torch.tensor(numbers), **close)
    torch.testing.assert_close(actual.mean(), torch.tensor(mean), **close)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_tokens_equal_the_originals(family):
    """CED's and Dasheng's of waveforms; theirs are listed by mels first."""
    if FAMILIES[family].learned:
        features = MelDB()(waveforms())
    else:
        features = spectrogram(1024 if family == "audiomae" else 112)
    agrees(ours(family).eval()(features), TOKENS[family], 1e-4)


def test_front_ends_equal_the_originals():
    """Of EAT and Audio-MAE it is the AST's, but for digits of the mean."""
    fbank = Fbank(112, mean=-4.268, std=4.569)
    agrees(MelDB()(waveforms()), FRONT_ENDS["ced"], 1e-3)
    agrees(MelDB(**BAT_FRONT)(waveforms()), FRONT_ENDS["bat"], 1e-3)
    agrees(fbank(waveforms()), FRONT_ENDS["eat"], 1e-3)
    ast = Fbank(112)(waveforms())
    torch.testing.assert_close(ast, fbank(waveforms()), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_padded_clip_has_its_own_values(scaled):
    """Mirrored at its own end; another's loudness has no effect."""
    front = MelDB(seconds=0.5, scaled=scaled)
    wavs = waveforms(samples=9000)
    for samples in (4001, 300, 20):
        lengths = torch.tensor([1.0, samples / 9000])
        y, alone = front(wavs, lengths), front(wavs[1:, :samples])[0]
        assert len(alone) == samples // 160 + 1 and y.shape == (2, 51, 64)
        torch.testing.assert_close(y[1, : len(alone)], alone)
        assert not y[1, len(alone) :].any()
    with pytest.raises(InputError, match="seconds=0: nothing is left"):
        MelDB(seconds=0)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_padded_clip_is_encoded_as_by_itself(family):
    """Whatever follows it, and if it is shorter than a patch."""
    encoder, kind = ours(family).eval(), FAMILIES[family]
    samples = torch.tensor([9000, 4321, 200])
    x = spectrogram(57, kind.mels).expand(3, -1, -1)
    y, pooled = encoder(x, samples), None
    pooled = ClipMean(encoder)(y, samples)
    counts = encoder.tokens_of(samples)
    for i, n in enumerate(samples.tolist()):
        frames = max((n - kind.window) // 160 + 1, kind.patch[0])
        alone = encoder(x[i : i + 1, :frames])
        assert alone.shape[1] == counts[i]
        close = {"atol": 1e-5, "rtol": 1e-5}
        torch.testing.assert_close(y[i, : counts[i]], alone[0], **close)
        torch.testing.assert_close(pooled[i], alone[0].mean(0), **close)
    short = encoder(x[:1, :2])
    assert short.shape == (1, kind.rows + kind.class_tokens, 32)


def test_positions():
    """Sines of the authors; learned ones stretched as CED's are."""
    for family, expected in SINES.items():
        table = ViT(SIZE, family).pos_embed.flatten(1, 2)[0, ::61, ::5]
        torch.testing.assert_close(
            table.flatten()[: len(expected)].detach(),
            torch.tensor(expected, dtype=torch.float32),
            atol=1e-5,
            rtol=0,
        )
    longer = ours("ced", frames=1600).time_pos_embed[0, ::20, 0, :3]
    expected = [-0.413883, -0.108475, -0.280942, 0.070105, -0.105284]
    torch.testing.assert_close(
        longer.T.flatten()[:5].detach(),
        torch.tensor(expected),
        atol=1e-5,
        rtol=0,
    )
    usual, shorter = ours("ced"), ours("ced", frames=512)
    torch.testing.assert_close(
        shorter.time_pos_embed, usual.time_pos_embed[:, :32]
    )
    # EAT's file has positions for two minutes
    usual, longer = ours("eat"), ours("eat", frames=2048)
    torch.testing.assert_close(longer.pos_embed[:, :64], usual.pos_embed)


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size):
    """As the authors count them, in millions; without heads."""
    with torch.device("meta"):
        encoder = ViT(size)
    count = sum(p.numel() for p in encoder.parameters()) / 1e6
    width, depth, _ = SIZES[size][0]
    blocks = 12 * depth * width**2 / 1e6
    gates = depth * width**2 / 1e6 if size == "bat_base" else 0
    assert blocks + gates < count < 1.02 * (blocks + gates) + 0.3
    assert len(encoder.blocks) == depth and encoder.dim == width


def test_what_cannot_be():
    with pytest.raises(InputError, match="neither one of ced_tiny, ced_mini"):
        ViT("ced_huge")
    with pytest.raises(InputError, match="encoder: family='cad'"):
        ViT(SIZE, "cad")
    with pytest.raises(InputError, match="1024 frames are more than the 1008"):
        ViT(SIZE, "ced")(torch.zeros(1, 1030, 64))
    with pytest.raises(InputError, match="128 mels: ced takes 64, from MelDB"):
        ViT(SIZE, "ced")(torch.zeros(1, 100, 128))
    with pytest.raises(InputError, match="frames=2048: bat takes 16 to 1024"):
        ViT(SIZE, "bat", frames=2048)
    with pytest.raises(InputError, match="frames=3: dasheng takes 4"):
        ViT(SIZE, "dasheng", frames=3)
