"""Whisper's decoder (https://arxiv.org/abs/2212.04356), on timm's blocks.

Its sites have the names of the encoder's, ``blocks.*.attn.qkv`` and the like,
and each block has ``cross`` besides, the attention to what the encoder heard,
with ``q``, ``k``, ``v`` and ``proj``, after ``norm_cross``.
"""

import threading
from types import SimpleNamespace

import torch
from timm.layers import Attention
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional as F

from ..adapters.masks import causal_mask, padding_mask, token_mask
from ..errors import InputError
from .sizes import shape_of
from .whisper import SIZES

POSITIONS = 448  # symbols, those of the prompt included


class _Heard(threading.local):
    """What the decoder attends to, one for each thread.

    No argument of the blocks, which wrappers would take for a mask.
    """

    states = mask = None  # the mask is True where there is a state


_HEARD = _Heard()


class WhisperDecoder(nn.Module):
    """Symbols so far (batch, symbol) to scores of the next ones.

    Arguments
    ---------
    size : str or sequence of int
        As for ``Whisper``.
    symbols : int
        Size of the vocabulary.
    prompt : sequence of int
        The symbols before every text, of which the last one begins it.
    dropout : float
        On what attention and feed-forward add.

    Example
    -------
    >>> decoder = WhisperDecoder((32, 2, 2), symbols=60)
    >>> states, symbols = torch.randn(3, 50, 32), torch.randint(60, (3, 7))
    >>> decoder(symbols, states, torch.tensor([50, 40, 3])).shape
    torch.Size([3, 7, 60])
    """

    def __init__(self, size="tiny", symbols=51864, prompt=(1,), dropout=0.0):
        super().__init__()
        self.dim, depth, heads = shape_of(size, SIZES, multiple=2)
        self.prompt = tuple(prompt)
        first = torch.tensor(self.prompt[:-1], dtype=torch.long)
        self.register_buffer("first", first, persistent=False)
        self.embedding = nn.Embedding(symbols, self.dim)
        nn.init.normal_(self.embedding.weight, std=self.dim**-0.5)
        self.positions = nn.Parameter(torch.randn(POSITIONS, self.dim) * 0.01)
        blocks = [_Block(self.dim, heads, dropout) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(self.dim)

    def forward(self, symbols, states, counts=None, lengths=None):
        """Scores (batch, symbol, vocabulary) of the symbol after each.

        The symbols begin with the prompt's last one. ``states`` are the
        encoder's tokens (batch, token, dim); ``counts`` (batch,) says how many
        of them are a clip's own, ``lengths`` (batch,) how many symbols a
        text's: what follows is padding.
        """
        return self.scores(self._hidden(symbols, states, counts, lengths))

    def scores(self, hidden):
        """What the symbols' embeddings say of it (batch, symbol, dim)."""
        return F.linear(hidden, self.embedding.weight)

    def decode(self, symbols, states, counts):
        """What SpeechBrain's searchers ask for: the last step, no attention."""
        return self._hidden(symbols.long(), states, counts)[:, -1:], None

    def searcher(self, make, eos):
        """One of SpeechBrain's searchers over this decoder.

        Arguments
        ---------
        make : callable
            ``S2STransformerGreedySearcher`` or ``S2STransformerBeamSearcher``
            with its own options.
        eos : int
            The symbol that ends a text.

        Returns
        -------
        speechbrain.decoders.seq2seq.S2SBaseSearcher
            Maps (states, wav_lens) to (hypotheses, ...), lists of symbols.
            Its ``max_decode_ratio`` limits their number per state.

        Example
        -------
        >>> from speechbrain.decoders.seq2seq import (
        ...     S2STransformerGreedySearcher,
        ... )
        >>> decoder = WhisperDecoder((32, 2, 2), symbols=60)
        >>> search = decoder.searcher(S2STransformerGreedySearcher, eos=2)
        >>> search.max_decode_ratio = 0.1
        >>> hypotheses, *_ = search(torch.randn(3, 50, 32), torch.ones(3))
        >>> len(hypotheses), max(map(len, hypotheses)) <= 5
        (3, True)
        """
        scores = _Scores(self)
        ends = {"bos_index": self.prompt[-1], "eos_index": eos}
        ratios = {"min_decode_ratio": 0.0, "max_decode_ratio": 1.0}
        return make(modules=[self, scores], **ends, **ratios)

    def _hidden(self, symbols, states, counts, lengths=None):
        before = self.first.expand(len(symbols), -1)
        symbols = torch.cat([before, symbols], dim=1)
        if symbols.shape[1] > POSITIONS:
            raise InputError(
                f"a text of {symbols.shape[1]} symbols: Whisper's decoder has "
                f"positions for {POSITIONS}, leave such clips out"
            )
        x = self.embedding(symbols) + self.positions[: symbols.shape[1]]
        own = torch.ones_like(symbols, dtype=torch.bool)
        if lengths is not None:
            own = token_mask(lengths + before.shape[1], symbols.shape[1])
        kept = _HEARD.states, _HEARD.mask
        _HEARD.states, _HEARD.mask = states, None
        if counts is not None:
            _HEARD.mask = token_mask(counts, states.shape[1])
        try:
            with padding_mask(own):
                x = self.blocks(x)
        finally:
            _HEARD.states, _HEARD.mask = kept
        return self.norm(x)[:, before.shape[1] :]


class _Scores:
    """The last layer, as searchers look at it: beam search asks its width."""

    def __init__(self, decoder):
        self.decoder = decoder
        width = decoder.embedding.num_embeddings
        self.w = SimpleNamespace(out_features=width)

    def __call__(self, hidden):
        return self.decoder.scores(hidden)


class _CausalAttention(Attention):
    """timm's attention, to what has been said and to learned tokens."""

    def forward(self, x, attn_mask=None, is_causal=False):
        """As timm's."""
        mask = causal_mask(x) if attn_mask is None else attn_mask
        return super().forward(x, attn_mask=mask, is_causal=is_causal)


class _CrossAttention(nn.Module):
    """Attention to the states that the decoder was given."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.heard = None, None  # states, and their keys and values
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim, bias=False)
        self.v = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same."""
        q, (k, v) = self._heads(self.q(x)), self._keys_and_values()
        mask = None if _HEARD.mask is None else _HEARD.mask[:, None, None]
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(x.transpose(1, 2).flatten(2))

    def _keys_and_values(self):
        """Those of the states; a search asks for the same at every step."""
        # another thread may change it
        heard, states = self.heard, _HEARD.states
        search = not torch.is_grad_enabled()
        if search and heard[0] is states:
            return heard[1]
        with padding_mask(_HEARD.mask):
            found = self._heads(self.k(states)), self._heads(self.v(states))
        self.heard = (states, found) if search else (None, None)
        return found

    def _heads(self, x):
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class _Block(Block):
    """timm's block, with an attention to the states between its two parts."""

    def __init__(self, dim, heads, dropout):
        super().__init__(
            dim,
            heads,
            qkv_bias=True,
            proj_drop=dropout,
            norm_layer=nn.LayerNorm,
            attn_layer=_CausalAttention,
        )
        self.norm_cross = nn.LayerNorm(dim)
        self.cross = _CrossAttention(dim, heads)

    def forward(self, x):
        """Tokens (batch, token, dim) to the same."""
        x = x + self.attn(self.norm1(x))
        x = x + self.cross(self.norm_cross(x))
        return x + self.mlp(self.norm2(x))
