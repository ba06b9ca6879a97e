"""Augmentation of a batch, on its device, drawn anew for every clip and step.

A step maps (x, targets) to the same; ``Augment`` chains steps in training and
does nothing in evaluation. Steps for waveforms and for spectrograms are the
same kind of thing: a recipe has one chain before the filterbank, one after it.
"""

import warnings

import torch
from torch import nn
from torchaudio.functional import mask_along_axis_iid

from ..errors import InputError


class Augment(nn.Module):
    """A chain of steps, in training only.

    Arguments
    ---------
    steps : list of torch.nn.Module
        Each takes and returns (x, targets).

    Example
    -------
    >>> chain = Augment([SpecAugment(mels=24, frames=80)])
    >>> x, targets = torch.randn(4, 100, 128), torch.eye(4)
    >>> [tuple(y.shape) for y in chain(x, targets)]
    [(4, 100, 128), (4, 4)]
    """

    def __init__(self, steps=()):
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, x, targets):
        """Augmented copies in training, the arguments in evaluation.

        ``targets`` (batch, class) are the weight of each class in each clip.
        """
        if self.training:
            for step in self.steps:
                x, targets = step(x, targets)
        return x, targets


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
    >>> spec_augment = SpecAugment(mels=24, frames=80)
    >>> spec_augment(torch.randn(4, 100, 128), torch.eye(4))[0].shape
    torch.Size([4, 100, 128])
    """

    def __init__(self, mels=24, frames=80, value=0.0):
        super().__init__()
        if mels < 0 or frames < 0:
            raise InputError(
                f"SpecAugment: mels={mels} and frames={frames} must be 0 or more"
            )
        self.mels, self.frames, self.value = mels, frames, value

    def forward(self, x, targets):
        """Spectrograms (batch, frame, mel), masked, and the targets."""
        x = x.unsqueeze(1)  # the masks are drawn per (batch, channel)
        for axis, widest in ((2, self.frames), (3, self.mels)):
            if widest:
                widest = min(widest, x.shape[axis])
                x = mask_along_axis_iid(x, widest, self.value, axis)
        return x.squeeze(1), targets


class Mixup(nn.Module):
    """Mixes clips, and their targets alike, with others of the batch.

    x = w x_i + (1 - w) x_j with w from Beta(alpha, alpha)
    (https://arxiv.org/abs/1710.09412). The AST mixes waveforms, after taking
    their mean away, half of the clips, with alpha = 10.

    Arguments
    ---------
    prob : float
        With which a clip is mixed.
    alpha : float
        Of the Beta distribution; large values mix evenly.
    share : float, optional
        What ``prob`` was called before.

    Example
    -------
    >>> x, targets = Mixup(prob=1.0)(torch.randn(4, 16000), torch.eye(4))
    >>> x.shape, targets.sum(1)
    (torch.Size([4, 16000]), tensor([1., 1., 1., 1.]))
    """

    def __init__(self, prob=0.5, alpha=10.0, *, share=None):
        super().__init__()
        if share is not None:
            warnings.warn(
                f"Mixup: for `share: {share}` write `prob: {share}`",
                FutureWarning,
                stacklevel=2,
            )
            prob = share
        if not 0 <= prob <= 1 or alpha <= 0:
            raise InputError(
                f"Mixup: prob={prob} must lie between 0 and 1, and "
                f"alpha={alpha} above 0"
            )
        self.prob, self.alpha = prob, alpha

    def forward(self, x, targets):
        """Anything (batch, ...) and targets (batch, class), both mixed."""
        size = len(x)
        weight = _beta(x, float(self.alpha))
        mixed = torch.rand(size, device=x.device) < self.prob
        weight = torch.where(mixed, weight, torch.ones_like(weight))
        other = torch.randperm(size, device=x.device)
        return tuple(
            torch.lerp(
                y[other], y, weight.view(-1, *[1] * (y.dim() - 1)).to(y.dtype)
            )
            for y in (x, targets)
        )


@torch.library.custom_op("speechbrain_petl::beta", mutates_args=())
def _beta(x: torch.Tensor, alpha: float) -> torch.Tensor:
    """A draw of Beta(alpha, alpha) for each clip (batch,).

    torch.compile cannot look into torch's own.
    """
    alphas = torch.full((len(x),), alpha, device=x.device)
    # a check of alpha would wait for the device
    beta = torch.distributions.Beta(alphas, alphas, validate_args=False)
    return beta.sample()


@_beta.register_fake
def _(x, alpha):
    return x.new_empty(len(x), dtype=torch.float32)


class SpectrogramNoise(nn.Module):
    """Adds uniform noise to each bin, of another strength in each clip.

    x + U(-a, a) with a from U(0, most), 0.1 in the original AST on Speech
    Commands (https://arxiv.org/abs/2104.01778), whose noise is U(0, a).

    Arguments
    ---------
    most : float
        Of normalised log-mel values.
    signed : bool
        False: never negative, as the original's.

    Example
    -------
    >>> x = torch.zeros(4, 100, 128)
    >>> noisy, _ = SpectrogramNoise(most=0.1)(x, torch.eye(4))
    >>> bool(noisy.abs().max() < 0.1), bool(noisy.min() < 0)
    (True, True)
    """

    def __init__(self, most=0.1, signed=True):
        super().__init__()
        self.most, self.signed = most, signed

    def forward(self, x, targets):
        """Spectrograms (batch, frame, mel), with noise, and the targets."""
        noise = torch.rand_like(x)
        if self.signed:
            noise = 2 * noise - 1
        return x + noise * self.most * torch.rand_like(x[:, :1, :1]), targets


class RandomGain(nn.Module):
    """Scales each waveform by a random number of decibels.

    Arguments
    ---------
    low, high : float
        dB.

    Example
    -------
    >>> RandomGain()(torch.randn(4, 16000), torch.eye(4))[0].shape
    torch.Size([4, 16000])
    """

    def __init__(self, low=-6.0, high=6.0):
        super().__init__()
        if not low <= high:
            raise InputError(f"RandomGain: low={low} is above high={high}")
        self.low, self.high = low, high

    def forward(self, x, targets):
        """Waveforms (batch, sample), scaled, and the targets."""
        db = torch.empty(len(x), 1, device=x.device)
        return x * 10 ** (db.uniform_(self.low, self.high) / 20), targets


class TimeShift(nn.Module):
    """Rolls each clip along time by a random amount, end to start.

    Arguments
    ---------
    most : int
        At most that many samples or frames, either way.

    Example
    -------
    >>> TimeShift(most=800)(torch.randn(4, 16000), torch.eye(4))[0].shape
    torch.Size([4, 16000])
    """

    def __init__(self, most):
        super().__init__()
        if most < 0:
            raise InputError(f"TimeShift: most={most} must be 0 or more")
        self.most = most

    def forward(self, x, targets):
        """Anything (batch, time, ...), rolled, and the targets."""
        size = (len(x), 1)
        shift = torch.randint(-self.most, self.most + 1, size, device=x.device)
        index = torch.arange(x.shape[1], device=x.device) - shift
        index = index % x.shape[1]
        index = index.view(*index.shape, *[1] * (x.dim() - 2)).expand_as(x)
        return x.gather(1, index), targets
