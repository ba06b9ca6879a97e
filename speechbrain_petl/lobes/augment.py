"""Augmentation of a batch of spectrograms, on their device, drawn per clip."""

from torch import nn
from torchaudio.functional import mask_along_axis_iid


class SpecAugment(nn.Module):
    """Masks one band of mels and one stretch of frames of each clip.

    Proposed in https://arxiv.org/abs/1904.08779; without time warping.

    Arguments
    ---------
    mels : int
        Widest mask along the mels; 0 for none.
    frames : int
        Longest mask along the frames; 0 for none.
    value : float
        What the masked bins become. The AST's weights have seen a log-mel
        value of 0, ``Fbank.padding_value`` after normalisation.

    Example
    -------
    >>> import torch
    >>> SpecAugment(mels=24, frames=80)(torch.randn(4, 100, 128)).shape
    torch.Size([4, 100, 128])
    """

    def __init__(self, mels=24, frames=80, value=0.0):
        super().__init__()
        self.mels, self.frames, self.value = mels, frames, value

    def forward(self, x):
        """A masked copy in training, the input itself in evaluation.

        Arguments
        ---------
        x : torch.Tensor
            Spectrograms (batch, frame, mel).

        Returns
        -------
        torch.Tensor
            Spectrograms (batch, frame, mel).
        """
        if not self.training:
            return x
        x = x.unsqueeze(1)  # the masks are drawn per (batch, channel)
        for axis, widest in ((2, self.frames), (3, self.mels)):
            if widest:
                widest = min(widest, x.shape[axis])
                x = mask_along_axis_iid(x, widest, self.value, axis)
        return x.squeeze(1)
