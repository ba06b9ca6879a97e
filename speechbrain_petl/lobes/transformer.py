"""The transformer that wav2vec 2.0, HuBERT, WavLM and BEATs have in common.

torchaudio's layers, in a stack that can be called and so be wrapped, with
masks for padding and with the relative positions of WavLM and BEATs:
https://arxiv.org/abs/2006.11477, https://arxiv.org/abs/2110.13900,
https://arxiv.org/abs/2212.09058. Sites: ``layers`` is the stack,
``layers.?|layers.??`` are its layers, and in each ``attention`` with
``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``, and ``feed_forward`` with
``intermediate_dense`` and ``output_dense``.
"""

from numbers import Integral

from torch import nn
from torch.utils.checkpoint import checkpoint

from ..adapters.masks import padding_mask
from ..adapters.sites import first_of
from ..errors import InputError, did_you_mean
from .relative import GatedAttention, RelativePositions


class Transformer(nn.Module):
    """Tokens (batch, token, dim) to the same, whatever follows their end.

    Arguments
    ---------
    theirs : torch.nn.Module
        torchaudio's transformer, whose convolution for positions, LayerNorm and layers it takes over.
    relative : dict, optional
        Arguments of ``GatedAttention`` and ``RelativePositions``, for WavLM
        and BEATs.
    deep_norm : bool
        Whether the layers have the scaled residuals of BEATs.
    gradient_checkpointing : bool
        Keep no activations inside the layers.

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
        if gradient_checkpointing not in (True, False):
            raise InputError(
                f"gradient_checkpointing={gradient_checkpointing!r} is neither "
                "True nor False, all that this encoder knows"
            )
        self.gradient_checkpointing = gradient_checkpointing
        self.pos_conv_embed = theirs.pos_conv_embed
        self.layer_norm = theirs.layer_norm
        # before the layers, where each layer ends in one of its own
        self.layer_norm_first = theirs.layer_norm_first
        self.dropout = theirs.dropout
        self.layers = Layers(theirs.layers)
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
                self.layers[i] = DeepNormLayer(layer, count)

    def forward(self, x, mask=None):
        """Encode.

        Arguments
        ---------
        x : torch.Tensor
            Tokens (batch, token, dim).
        mask : torch.Tensor, optional
            True where a token is no padding (batch, token).

        Returns
        -------
        torch.Tensor
            Of the same shape; what it holds for padding has no meaning.
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
        return x if self.layer_norm_first else self.layer_norm(x)

    def _run(self, x, mask, attention_mask, position_bias):
        """The layers, or a wrapper of them, with or without activations."""

        def _inside(layers, x):
            with padding_mask(mask):
                return first_of(
                    layers(
                        x,
                        attention_mask=attention_mask,
                        position_bias=position_bias,
                    )
                )

        if not (self.gradient_checkpointing and self.training):
            return _inside(self.layers, x)
        whole = not isinstance(self.layers, Layers)
        for layer in [self.layers] if whole else self.layers:
            x = checkpoint(_inside, layer, x, use_reentrant=False)
        return x


class Layers(nn.ModuleList):
    """A stack of torchaudio's layers that is itself a module to call."""

    def forward(self, x, attention_mask=None, position_bias=None):
        """Run the layers one after the other.

        Arguments
        ---------
        x : torch.Tensor
            Tokens (batch, token, dim).
        attention_mask : torch.Tensor, optional
            True where a token may be attended to (batch, 1, token, token).
        position_bias : tuple of torch.Tensor, optional
            See ``GatedAttention``.

        Returns
        -------
        torch.Tensor
            Of the same shape as x.
        """
        for layer in self:
            x = first_of(layer(x, attention_mask, position_bias))
        return x


class DeepNormLayer(nn.Module):
    """A layer whose residuals are scaled, https://arxiv.org/abs/2203.00555.

    Arguments
    ---------
    layer : torch.nn.Module
        torchaudio's layer, with LayerNorm at its end, whose parts it takes
        over.
    depth : int
        Number of layers.
    """

    def __init__(self, layer, depth):
        super().__init__()
        for name, part in layer.named_children():
            setattr(self, name, part)
        self.scale = (2 * depth) ** 0.25

    def forward(self, x, attention_mask=None, position_bias=None):
        """Attend, then transform each token.

        Arguments
        ---------
        x : torch.Tensor
            Tokens (batch, token, dim).
        attention_mask : torch.Tensor, optional
            True where a token may be attended to (batch, 1, token, token).
        position_bias : tuple of torch.Tensor, optional
            See ``GatedAttention``.

        Returns
        -------
        tuple
            Tokens (batch, token, dim), and the bias.
        """
        y, position_bias = self.attention(
            x, attention_mask=attention_mask, position_bias=position_bias
        )
        x = self.layer_norm(x * self.scale + self.dropout(y))
        x = self.final_layer_norm(x * self.scale + self.feed_forward(x))
        return x, position_bias


def shape_of(size, groups, names):
    """The numbers of a small encoder.

    Arguments
    ---------
    size : sequence of int
        (dim, depth, heads)
    groups : int
        Of the convolution for positions.
    names : iterable of str
        Of the sizes that it could have been instead.

    Returns
    -------
    tuple of int
        (dim, depth, heads)

    Example
    -------
    >>> shape_of([32, 2, 4], 16, ["base"])
    (32, 2, 4)
    """
    shape = tuple(size) if isinstance(size, (list, tuple)) else ()
    whole = all(isinstance(n, Integral) and n > 0 for n in shape)
    if len(shape) == 3 and whole and not (shape[0] % shape[2]):
        if shape[0] % groups == 0:
            return shape
    raise InputError(
        f"encoder size {size!r} is neither one of {', '.join(names)} nor "
        "[dim, depth, heads] with a dim that is a multiple of heads and of "
        f"{groups}, such as [32, 2, 4].{did_you_mean(str(size), names)}"
    )
