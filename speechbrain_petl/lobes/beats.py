"""BEATs (https://arxiv.org/abs/2212.09058), as in SpeechBrain's lobe.

SpeechBrain's runs its layers as (token, batch, dim) and its feed-forward is
no module, so that nothing can be wrapped there. Here the same numbers come
out of torchaudio's layers: the sites are those of ``lobes.transformer``, and
a method file for wav2vec 2.0 is one for BEATs.
"""

from torch import nn
from torch.nn import functional as F

from speechbrain.lobes.models.beats import BEATsConfig

from ..adapters.masks import token_mask
from ..errors import InputError
from .fbank import HOP_SECONDS, WINDOW_SECONDS
from .sizes import shape_of
from .transformer import Transformer, torchaudio_model

# what the published checkpoints state and SpeechBrain's default does not
PUBLISHED = {
    "relative_position_embedding": True,
    "num_buckets": 320,
    "max_distance": 800,
    "gru_rel_pos": True,
    "deep_norm": True,
}


class BEATs(nn.Module):
    """Spectrogram (batch, frame, mel) to tokens (batch, token, dim).

    Patches of 16 by 16, all mels of the first frames first. Clips of a
    padded batch are encoded as each by itself would be.

    Arguments
    ---------
    size : str or sequence of int
        "base", or (dim, depth, heads) of a small one for trying things out,
        whose patches are half as wide.
    mels : int
        Number of mel filters of the input, a multiple of 16.
    sample_rate : int
        Hz, of the clips whose samples are counted.
    dropout, gradient_checkpointing
        As for ``Wav2Vec2``.

    Example
    -------
    >>> import torch
    >>> encoder = BEATs((32, 2, 2))
    >>> encoder(torch.randn(3, 98, 128)).shape
    torch.Size([3, 48, 32])
    >>> encoder.tokens_of(torch.tensor([16000, 8000]))
    tensor([48, 24])
    """

    def __init__(
        self,
        size="base",
        mels=128,
        sample_rate=16000,
        dropout=0.0,
        gradient_checkpointing=False,
    ):
        super().__init__()
        self.config = config = BEATsConfig({**PUBLISHED, **_config(size)})
        self.dim = config.encoder_embed_dim
        patch, width = config.input_patch_size, config.embed_dim
        self.patch, self.rows = patch, _rows(mels, patch)
        self.window = round(WINDOW_SECONDS * sample_rate)
        self.hop = round(HOP_SECONDS * sample_rate)
        self.patch_embedding = nn.Conv2d(
            1, width, patch, stride=patch, bias=config.conv_bias
        )
        self.encoder = torchaudio_model(
            [(width, 1, 1)],  # the patches take the place of convolutions
            (self.dim, config.encoder_layers, config.encoder_attention_heads),
            dropout,
            config.layer_norm_first,
            config.encoder_ffn_embed_dim,
            encoder_pos_conv_kernel=config.conv_pos,
            encoder_pos_conv_groups=config.conv_pos_groups,
        ).encoder
        self.encoder.transformer = Transformer(
            self.encoder.transformer,
            relative={
                "buckets": config.num_buckets,
                "distance": config.max_distance,
                "gate": "query",
            },
            deep_norm=config.deep_norm,
            gradient_checkpointing=gradient_checkpointing,
        )

    def forward(self, spectrogram, samples=None):
        """Normalised log-mel spectrogram (batch, frame, mel) to tokens.

        See ``lobes.encoder``.
        """
        missing = max(self.patch - spectrogram.shape[1], 0)
        spectrogram = F.pad(spectrogram, (0, 0, 0, missing))
        x = self.patch_embedding(spectrogram.unsqueeze(1))
        x = x.flatten(2).transpose(1, 2)
        mask = None
        if samples is not None:
            mask = token_mask(self.tokens_of(samples), x.shape[1])
        x = self.encoder.feature_projection(x)
        return self.encoder.transformer(x, mask)

    def finish(self, x):
        """What the layers return to tokens, both (batch, token, dim)."""
        return self.encoder.transformer.finish(x)

    def tokens_of(self, samples):
        """Tokens of each clip (batch,), of one patch of frames at least."""
        frames = (samples.round().long() - self.window) // self.hop + 1
        return (frames // self.patch).clamp(min=1) * self.rows


def _rows(mels, patch):
    """How many patches are above each other."""
    if mels % patch:
        raise InputError(
            f"mels={mels}: BEATs cuts spectrograms into patches of {patch} "
            f"mels, take {patch * max(mels // patch, 1)}"
        )
    return mels // patch


def _config(size):
    """What differs from the size that SpeechBrain has as its default."""
    if size == "base":
        return {}
    groups = BEATsConfig().conv_pos_groups
    dim, depth, heads = shape_of(size, {"base": None}, multiple=groups)
    return {
        "embed_dim": dim // 2,
        "encoder_embed_dim": dim,
        "encoder_ffn_embed_dim": 4 * dim,
        "encoder_layers": depth,
        "encoder_attention_heads": heads,
    }
