"""From the AST's tokens to a sequence of symbols, with SpeechBrain's decoder.

Attention as in https://arxiv.org/abs/1409.0473: at each step the decoder looks
at all time steps of the encoder and emits one symbol.
"""

from torch import nn

from speechbrain.nnet.linear import Linear
from speechbrain.nnet.RNN import AttentionalRNNDecoder

from ..errors import InputError
from .ast import CLASS_TOKENS


class TimeSteps(nn.Module):
    """The mean over the mels of the patches, (batch, token, dim) to
    (batch, step, dim).

    The AST lists all time steps of the lowest mels first. Averaged, what the
    decoder attends to is ordered in time, can be masked after the end of a
    clip, and is shorter by the number of patches along the mels.

    Arguments
    ---------
    grid : tuple of int
        Patches along (mel, frame), the ``grid`` of an AST.

    Example
    -------
    >>> import torch
    >>> TimeSteps(grid=(12, 9))(torch.randn(3, 110, 32)).shape
    torch.Size([3, 9, 32])
    """

    def __init__(self, grid):
        super().__init__()
        self.grid = tuple(grid)

    def forward(self, tokens):
        """Tokens (batch, token, dim) to a state per step (batch, step, dim)."""
        mels, steps = self.grid
        patches = tokens[:, CLASS_TOKENS : CLASS_TOKENS + mels * steps]
        if patches.shape[1] != mels * steps:
            raise InputError(
                f"TimeSteps: {tokens.shape[1]} tokens are too few for a grid "
                f"of {mels} x {steps} patches. Use it without patch_dropout."
            )
        return patches.unflatten(1, self.grid).mean(dim=1)

    def wav_lens(self, wav_lens):
        """Shares of the frames (batch,) to those of the steps, one at least."""
        return wav_lens.clamp(min=1 / self.grid[1], max=1.0)


class SequenceDecoder(nn.Module):
    """A GRU that attends to encoder states and emits log probabilities.

    SpeechBrain's embedding, ``AttentionalRNNDecoder`` and ``Linear`` in one
    module, so that torchrun synchronises them as one.

    Arguments
    ---------
    dim : int
        Width of the encoder states.
    symbols : int
        Size of the vocabulary.
    embedding : int
        Width of a symbol's embedding.
    hidden : int
        Width of the GRU and of the attention.
    layers : int
        Layers of the GRU.
    dropout : float
        On the input of the GRU and between its layers.

    Example
    -------
    >>> import torch
    >>> decoder = SequenceDecoder(dim=32, symbols=60, hidden=16)
    >>> states, wav_lens = torch.randn(3, 9, 32), torch.ones(3)
    >>> symbols = torch.randint(60, (3, 5))
    >>> decoder(symbols, states, wav_lens).shape
    torch.Size([3, 5, 60])
    """

    def __init__(
        self, dim, symbols, embedding=64, hidden=256, layers=1, dropout=0.0
    ):
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding)
        self.rnn = AttentionalRNNDecoder(
            rnn_type="gru",
            attn_type="keyvalue",
            hidden_size=hidden,
            attn_dim=hidden,
            num_layers=layers,
            enc_dim=dim,
            input_size=embedding,
            dropout=dropout,
        )
        self.linear = Linear(n_neurons=symbols, input_size=hidden)

    def forward(self, symbols, states, wav_lens):
        """Log probabilities of the next symbol, given the true ones so far.

        Symbols (batch, symbol), states (batch, step, dim) and ``wav_lens``
        (batch,), fractions of the steps, to (batch, symbol, vocabulary).
        """
        hidden, _ = self.rnn(self.embedding(symbols), states, wav_lens)
        return self.linear(hidden).log_softmax(dim=-1)

    def searcher(self, make, bos, eos, longest, steps):
        """One of SpeechBrain's searchers over this decoder.

        It maps (states, wav_lens) to (hypotheses, ...), the hypotheses as lists
        of symbols without the end of sequence.

        Arguments
        ---------
        make : callable
            ``S2SRNNGreedySearcher`` or ``S2SRNNBeamSearcher`` with its own
            options.
        bos, eos : int
            The symbols that begin and end a sequence.
        longest : int
            Stop after so many symbols.
        steps : int
            Time steps of the encoder.

        Example
        -------
        >>> import torch
        >>> from speechbrain.decoders import S2SRNNGreedySearcher
        >>> decoder = SequenceDecoder(dim=32, symbols=60, hidden=16)
        >>> search = decoder.searcher(S2SRNNGreedySearcher, 1, 2, 7, steps=9)
        >>> hypotheses, *_ = search(torch.randn(3, 9, 32), torch.ones(3))
        >>> len(hypotheses), max(map(len, hypotheses)) <= 7
        (3, True)
        """
        return make(
            embedding=self.embedding,
            decoder=self.rnn,
            linear=self.linear,
            bos_index=bos,
            eos_index=eos,
            min_decode_ratio=0.0,
            # SpeechBrain truncates ratio times steps; the half keeps it whole
            max_decode_ratio=(longest + 0.5) / steps,
        )
