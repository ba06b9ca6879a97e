"""wav2vec 2.0, HuBERT and WavLM, on torchaudio's models and with its names.

https://arxiv.org/abs/2006.11477, https://arxiv.org/abs/2106.07447,
https://arxiv.org/abs/2110.13900. The sites that a method can wrap are those
of ``encoder.transformer``, see ``lobes.transformer``.
"""

from torch import nn
from torch.nn import functional as F

from ..adapters.masks import padding_mask, token_mask
from ..errors import check_choice
from .sizes import shape_of
from .time_masking import TimeMasking
from .transformer import Transformer, torchaudio_model
from .waveform import ClipNorm

# channels, samples or frames that a window spans, and steps by
CONVOLUTIONS = [(512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2]
SHORTEST = 400  # samples of one token
GROUPS = 16  # of the convolution for positions
WAVLM = {"buckets": 320, "distance": 800}
BASE, LARGE = (768, 12, 12), (1024, 24, 16)  # dim, depth, heads
# names of torchaudio.models -> size, normalisation of the convolutions, do
# they have a bias, is LayerNorm first in each layer, relative positions
SIZES = {
    "wav2vec2_base": (BASE, "group_norm", False, False, None),
    "wav2vec2_large": (LARGE, "group_norm", False, False, None),
    "wav2vec2_large_lv60k": (LARGE, "layer_norm", True, True, None),
    "wav2vec2_xlsr_300m": (LARGE, "layer_norm", True, True, None),
    "hubert_base": (BASE, "group_norm", False, False, None),
    "hubert_large": (LARGE, "layer_norm", True, True, None),
    "wavlm_base": (BASE, "group_norm", False, False, WAVLM),
    "wavlm_large": (LARGE, "layer_norm", False, True, WAVLM),
}


class Wav2Vec2(nn.Module):
    """Waveform (batch, sample) to tokens (batch, token, dim).

    A token spans 25 ms and comes every 20 ms. Clips of a padded batch are
    encoded as each by itself would be, the base models' GroupNorm over time
    included. No layer is ever dropped: its adapter would have no gradient.

    Arguments
    ---------
    size : str or sequence of int
        A name of SIZES, or (dim, depth, heads) of a small model of the same
        family for trying things out, whose convolutions are ``dim`` wide.
    family : str
        Where ``size`` is numbers, the name of SIZES that it is like.
    dropout : float
        Dropout of the input, of attention and inside the layers.
    gradient_checkpointing : bool or str
        Keep no activations inside the layers and compute them again in the
        backward pass; "selective": few, see ``checkpointed``.
    time_masking : float
        Share of the tokens that are masked in training; transformers' is 0.05.

    Example
    -------
    >>> import torch
    >>> encoder = Wav2Vec2((32, 2, 2))
    >>> encoder(torch.randn(3, 16000)).shape
    torch.Size([3, 49, 32])
    >>> encoder.tokens_of(torch.tensor([16000, 8000]))
    tensor([49, 24])
    """

    def __init__(
        self,
        size="wav2vec2_base",
        family="wav2vec2_base",
        dropout=0.0,
        gradient_checkpointing=False,
        time_masking=0.0,
    ):
        super().__init__()
        shape, width, kind = _shape_of(size, family)
        norm, bias, first, relative = kind
        self.dim = shape[0]
        model = torchaudio_model(
            [(width, kernel, step) for _, kernel, step in CONVOLUTIONS],
            shape,
            dropout,
            first,
            extractor_mode=norm,
            extractor_conv_bias=bias,
            encoder_pos_conv_groups=GROUPS,
        )
        self.feature_extractor = model.feature_extractor
        self.encoder = model.encoder
        self.encoder.transformer = Transformer(
            model.encoder.transformer,
            relative,
            gradient_checkpointing=gradient_checkpointing,
        )
        self.time_masking = None  # no tensor in weights without it
        if time_masking:
            self.time_masking = TimeMasking(self.dim, time_masking)
        if norm == "group_norm":
            self.feature_extractor.conv_layers[0].layer_norm = ClipNorm(width)

    def forward(self, wavs, samples=None):
        """Waveforms (batch, sample), zero after their ends, to tokens.

        See ``lobes.encoder``.
        """
        wavs = F.pad(wavs, (0, max(SHORTEST - wavs.shape[1], 0)))
        frames = mask = counts = None
        if samples is not None:
            first = CONVOLUTIONS[:1]
            length = _convolved(wavs.shape[1], first)
            shorter = _convolved(_at_least_one(samples), first)
            frames = token_mask(shorter, length)
        with padding_mask(frames):
            x = self.feature_extractor(wavs, None)[0]
        if samples is not None:
            counts = self.tokens_of(samples)
            mask = token_mask(counts, x.shape[1])
        x = self.encoder.feature_projection(x)
        if self.time_masking is not None:
            x = self.time_masking(x, counts)
        return self.encoder.transformer(x, mask)

    def finish(self, x):
        """What the layers return to tokens, both (batch, token, dim)."""
        return self.encoder.transformer.finish(x)

    def tokens_of(self, samples):
        """Tokens of each clip (batch,); at least one."""
        return _convolved(_at_least_one(samples), CONVOLUTIONS)


def _at_least_one(samples):
    """Samples of clips, of which the shortest are filled up to one token."""
    return samples.round().long().clamp(min=SHORTEST)


def _convolved(samples, convolutions):
    """How many windows fit, one convolution after the other."""
    for _, kernel, step in convolutions:
        samples = (samples - kernel) // step + 1
    return samples


def _shape_of(size, family):
    """(dim, depth, heads), width of the convolutions, and the kind."""
    if isinstance(size, str) and size in SIZES:
        shape, *kind = SIZES[size]
        return shape, CONVOLUTIONS[0][0], kind
    shape = shape_of(size, SIZES, multiple=GROUPS)
    check_choice("encoder: family", family, SIZES)
    return shape, shape[0], SIZES[family][1:]
