"""The mean of a clip's own tokens, for encoders of clips of any length."""

from torch import nn

from .waveform import until


class ClipMean(nn.Module):
    """Mean over the tokens of each clip, (batch, token, dim) to (batch, dim).

    Neither padding nor prompts that the encoder keeps are in it.

    Arguments
    ---------
    tokens_of : callable
        Samples of each clip (batch,) -> its tokens (batch,), such as
        ``tokens_of`` of the encoder.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import Wav2Vec2
    >>> pooling = ClipMean(Wav2Vec2((32, 2, 2)).tokens_of)
    >>> lengths = torch.tensor([16000.0, 8000.0])
    >>> pooling(torch.randn(2, 49, 32), lengths).shape
    torch.Size([2, 32])
    """

    def __init__(self, tokens_of):
        super().__init__()
        self.tokens_of = tokens_of

    def forward(self, tokens, lengths=None):
        """Average the tokens of each clip.

        Arguments
        ---------
        tokens : torch.Tensor
            What the encoder returns (batch, token, dim).
        lengths : torch.Tensor, optional
            Samples of each clip (batch,); None for all tokens.

        Returns
        -------
        torch.Tensor
            One embedding per clip (batch, dim).
        """
        if lengths is None:
            return tokens.mean(dim=1)
        valid = until(self.tokens_of(lengths), tokens.shape[1]).unsqueeze(2)
        total = tokens.masked_fill(~valid, 0).sum(dim=1)
        return total / valid.sum(dim=1)
