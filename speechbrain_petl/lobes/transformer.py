"""The transformer that wav2vec 2.0, HuBERT, WavLM and BEATs have in common.

torchaudio's layers, in a stack that can be called and so be wrapped, with
masks for padding and with the relative positions of WavLM and BEATs:
https://arxiv.org/abs/2006.11477, https://arxiv.org/abs/2110.13900,
https://arxiv.org/abs/2212.09058. Sites: ``layers`` is the stack,
``layers.?|layers.??`` are its layers, and in each ``attention`` with
``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``, and ``feed_forward`` with
``intermediate_dense`` and ``output_dense``.
"""

from torch import nn
from torchaudio.models import wav2vec2_model

from ..adapters.masks import padding_mask
from ..adapters.sites import first_of
from .checkpointing import check_level, checkpointed
from .relative import GatedAttention, RelativePositions


class Transformer(nn.Module):
    """Tokens (batch, token, dim) to the same, whatever follows their end.

    Arguments
    ---------
    theirs : torch.nn.Module
        torchaudio's transformer, whose parts it takes over.
    relative : dict, optional
        Arguments of ``GatedAttention`` and ``RelativePositions``, for WavLM
        and BEATs.
    deep_norm : bool
        Whether the layers have the scaled residuals of BEATs.
    gradient_checkpointing : bool or str
        Keep no activations inside the layers, or few: see ``checkpointed``.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import Wav2Vec2
    >>> transformer = Wav2Vec2((32, 2, 2)).encoder.transformer
    >>> transformer(torch.randn(3, 10, 32)).shape
    torch.Size([3, 10, 32])
    """

    def __init__(
        self,
        theirs,
        relative=None,
        deep_norm=False,
        gradient_checkpointing=False,
    ):
        super().__init__()
        self.gradient_checkpointing = check_level(gradient_checkpointing)
        self.pos_conv_embed = theirs.pos_conv_embed
        self.layer_norm = theirs.layer_norm
        # before the layers, where each layer ends in one of its own
        self.layer_norm_first = theirs.layer_norm_first
        self.dropout = theirs.dropout
        self.layers = _Layers(theirs.layers)
        self.positions = None
        if relative:
            heads = self.layers[0].attention.num_heads
            gate = relative.get("gate", "input")
            for layer in self.layers:
                layer.attention = GatedAttention(layer.attention, gate)
            self.positions = RelativePositions(
                heads, relative["buckets"], relative["distance"]
            )
        if deep_norm:
            count = len(self.layers)
            for i, layer in enumerate(self.layers):
                self.layers[i] = _DeepNormLayer(layer, count)

    def forward(self, x, mask=None):
        """Tokens (batch, token, dim) to the same shape.

        ``mask`` (batch, token) is True where a token is no padding; what comes
        out for padding has no meaning.
        """
        length, attention_mask = x.shape[1], None
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(2), 0)
            # the shape that torchaudio's attention asks for
            attention_mask = mask[:, None, None].expand(-1, 1, length, -1)
        x = x + self.pos_conv_embed(x)
        if self.layer_norm_first:
            x = self.layer_norm(x)
        bias = None if self.positions is None else (self.positions(length),)
        x = self._run(self.dropout(x), mask, attention_mask, bias)
        return self.finish(x)

    def finish(self, x):
        """What the layers return to tokens, both (batch, token, dim)."""
        return x if self.layer_norm_first else self.layer_norm(x)

    def _run(self, x, mask, attention_mask, position_bias):
        """The layers, or a wrapper of them, with or without activations."""

        def _inside(layers, x):
            with padding_mask(mask):
                y = layers(
                    x,
                    attention_mask=attention_mask,
                    position_bias=position_bias,
                )
            return first_of(y)

        if self.gradient_checkpointing and self.training:
            level = self.gradient_checkpointing
            return checkpointed(self.layers, x, _inside, level)
        return _inside(self.layers, x)


class _Layers(nn.ModuleList):
    """A stack of torchaudio's layers that is itself a module to call."""

    def forward(self, x, attention_mask=None, position_bias=None):
        """As ``GatedAttention.forward``, without the position bias."""
        for layer in self:
            x = first_of(layer(x, attention_mask, position_bias))
        return x


class _DeepNormLayer(nn.Module):
    """A layer whose residuals are scaled, https://arxiv.org/abs/2203.00555."""

    def __init__(self, layer, depth):
        super().__init__()
        for name, part in layer.named_children():
            setattr(self, name, part)
        self.scale = (2 * depth) ** 0.25

    def forward(self, x, attention_mask=None, position_bias=None):
        """Tokens (batch, token, dim) to the same, and the bias."""
        y, position_bias = self.attention(
            x, attention_mask=attention_mask, position_bias=position_bias
        )
        x = self.layer_norm(x * self.scale + self.dropout(y))
        x = self.final_layer_norm(x * self.scale + self.feed_forward(x))
        return x, position_bias


def torchaudio_model(
    convolutions, shape, dropout, layer_norm_first, feed_forward=None, **options
):
    """A model of torchaudio, to take the parts of.

    Arguments
    ---------
    convolutions : list of tuple
        Channels, samples or frames of a window, and steps of each.
    shape : tuple of int
        (dim, depth, heads)
    dropout : float
        Of the input, of attention and inside the layers.
    layer_norm_first : bool
        Whether each layer begins with its LayerNorm.
    feed_forward : int, optional
        Width inside the feed-forwards, by default four times the dim.
    **options : dict
        For ``torchaudio.models.wav2vec2_model``.

    Returns
    -------
    torch.nn.Module
        ``feature_extractor`` and ``encoder``.

    Example
    -------
    >>> model = torchaudio_model([(8, 10, 5)], (32, 2, 2), 0.0, False)
    >>> len(model.encoder.transformer.layers)
    2
    """
    dim, depth, heads = shape
    settings = {
        "extractor_mode": "layer_norm",
        "extractor_conv_bias": False,
        "encoder_pos_conv_kernel": 128,
        "encoder_pos_conv_groups": 16,
        **options,
    }
    return wav2vec2_model(
        extractor_conv_layer_config=convolutions,
        encoder_embed_dim=dim,
        encoder_projection_dropout=dropout,
        encoder_num_layers=depth,
        encoder_num_heads=heads,
        encoder_attention_dropout=dropout,
        encoder_ff_interm_features=feed_forward or 4 * dim,
        encoder_ff_interm_dropout=dropout,
        encoder_dropout=dropout,
        encoder_layer_norm_first=layer_norm_first,
        encoder_layer_drop=0.0,
        aux_num_out=None,
        **settings,
    )
