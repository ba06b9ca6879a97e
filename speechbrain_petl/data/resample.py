"""Torchaudio's windowed-sinc resampling, without its multiplications by zero.

From 44.1 to 16 kHz, 441 samples become 160, each a weighted sum of 35. As one
convolution that is 160 filters over 475 samples; as a product per band of
neighbouring samples it takes a sixth of the time, and gives the same numbers.
"""

from functools import lru_cache

import torch
from torch.nn.functional import pad
from torchaudio.transforms import Resample

BLOCK = 160  # so many samples come of one row of the products, at least
BAND = 32  # so many of one product


def resample(wav, old_rate, new_rate):
    """Change the sample rate.

    Arguments
    ---------
    wav : torch.Tensor
        Waveform (sample,).
    old_rate : int
        Its sample rate, Hz.
    new_rate : int
        Hz.

    Returns
    -------
    torch.Tensor
        What ``torchaudio.transforms.Resample`` computes (sample,).

    Example
    -------
    >>> resample(torch.randn(4410), 44100, 16000).shape
    torch.Size([1600])
    """
    if old_rate == new_rate:
        return wav
    width, step, count, bands = _bands(old_rate, new_rate)
    samples = -(-len(wav) * count // step)
    windows = pad(wav, (width, width + step)).unfold(0, step + 2 * width, step)
    out = wav.new_empty(len(windows), count)
    for inputs, outputs, weights in bands:
        weights = weights.to(wav.device)
        torch.mm(windows[:, inputs], weights, out=out[:, outputs])
    return out.flatten()[:samples]


@lru_cache
def _bands(old_rate, new_rate):
    """The products of a block: its margin, input, output, and its bands.

    A band is (inputs, outputs, weights), slices of a block and the weights
    (input, output) that connect them; all other weights are zero.
    """
    filters = Resample(old_rate, new_rate)
    old, new = old_rate // filters.gcd, new_rate // filters.gcd
    periods = -(-BLOCK // new)
    kernel = torch.cat(
        [
            pad(filters.kernel[:, 0], (i * old, (periods - 1 - i) * old))
            for i in range(periods)
        ]
    ).T
    bands = []
    for start in range(0, kernel.shape[1], BAND):
        outputs = slice(start, start + BAND)
        used = kernel[:, outputs].any(dim=1).nonzero()
        inputs = slice(int(used[0]), int(used[-1]) + 1)
        bands.append((inputs, outputs, kernel[inputs, outputs].contiguous()))
    return filters.width, periods * old, periods * new, bands
