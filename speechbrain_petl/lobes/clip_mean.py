"""The mean of a clip's own tokens, for encoders of clips of any length."""

import warnings

from torch import nn

from ..adapters.masks import token_mask


class ClipMean(nn.Module):
    """Mean over the tokens of each clip, (batch, token, dim) to (batch, dim).

    Neither padding nor prompts that the encoder keeps are in it.

    Arguments
    ---------
    encoder : torch.nn.Module
        It says by ``tokens_of`` how many tokens a clip has; not a part of
        this module.
    tokens_of : callable, optional
        The same without the encoder, as version 0.1 wrote it.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl import Wav2Vec2
    >>> pooling = ClipMean(Wav2Vec2((32, 2, 2)))
    >>> samples = torch.tensor([16000.0, 8000.0])
    >>> pooling(torch.randn(2, 49, 32), samples).shape
    torch.Size([2, 32])
    """

    def __init__(self, encoder=None, *, tokens_of=None):
        super().__init__()
        if tokens_of is not None:
            warnings.warn(
                "ClipMean: for `tokens_of: !ref <encoder.tokens_of>` write "
                "`encoder: !ref <encoder>`",
                FutureWarning,
                stacklevel=2,
            )
        self.tokens_of = tokens_of or encoder.tokens_of

    def forward(self, tokens, samples=None):
        """Tokens (batch, token, dim) to an embedding per clip (batch, dim).

        Without ``samples``, the mean is over all tokens.
        """
        mask = own_tokens(self.tokens_of, tokens, samples)
        if mask is None:
            return tokens.mean(dim=1)
        mask = mask.unsqueeze(2)
        total = tokens.masked_fill(~mask, 0).sum(dim=1)
        return total / mask.sum(dim=1)


def own_tokens(tokens_of, tokens, samples):
    """Which tokens of a padded batch are the clips' own.

    Arguments
    ---------
    tokens_of : callable or None
        Samples (batch,) to tokens (batch,); None where no clip is padded.
    tokens : torch.Tensor
        (batch, token, dim)
    samples : torch.Tensor or None
        Of each clip (batch,).

    Returns
    -------
    torch.Tensor or None
        True where a token is a clip's own (batch, token); None for all.

    Example
    -------
    >>> import torch
    >>> own_tokens(lambda n: n // 2, torch.zeros(2, 3, 8), torch.tensor([6, 2]))
    tensor([[ True,  True,  True],
            [ True, False, False]])
    """
    if tokens_of is None or samples is None:
        return None
    return token_mask(tokens_of(samples), tokens.shape[1])
