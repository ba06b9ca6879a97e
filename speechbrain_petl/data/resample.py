"""Torchaudio's windowed-sinc resampling, without its multiplications by zero.

From 44.1 to 16 kHz, 441 samples become 160, each a weighted sum of 35. As one
convolution that is 160 filters over 475 samples; as a product per band of
neighbouring samples it takes half the time, and gives the same numbers.

Rates with a ratio of large numbers, such as prime ones, would need as many
filters: the nearest ratio of smaller ones stands for it. See ``rate_ratio``.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil, pi

import torch
from torch.nn.functional import pad

BLOCK = 160  # so many samples come of one row of the products, at least
BAND = 32  # so many of one product
LOBES = 6  # of the sinc on either side, torchaudio's lowpass_filter_width
ROLLOFF = 0.99  # of half the lower rate
LARGEST = 4000  # of the smaller number of a ratio


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
        What ``torchaudio.transforms.Resample(dtype=torch.float64)`` computes,
        as float32 (sample,).

    Example
    -------
    >>> resample(torch.randn(4410), 44100, 16000).shape
    torch.Size([1600])
    """
    old, new = rate_ratio(old_rate, new_rate)
    if old == new:  # the rates may differ by a hair
        return wav
    width, step, count, bands = _bands(old, new)
    samples = -(-len(wav) * count // step)
    windows = pad(wav, (width, width + step)).unfold(0, step + 2 * width, step)
    out = wav.new_empty(len(windows), count)
    for inputs, outputs, weights in bands:
        weights = weights.to(wav.device)
        torch.mm(windows[:, inputs], weights, out=out[:, outputs])
    return out.flatten()[:samples]


@lru_cache
def rate_ratio(old_rate, new_rate):
    """How many samples become how many, in whole numbers.

    Exact for all usual rates. The smaller number is at most 4000, so that at
    22254 Hz a second is 31 ns off, and at the worst of rates 0.12 ms.

    Arguments
    ---------
    old_rate, new_rate : int
        Hz.

    Returns
    -------
    tuple of int
        (old samples, new samples)

    Example
    -------
    >>> rate_ratio(44100, 16000), rate_ratio(22254, 16000)
    ((441, 160), (4085, 2937))
    """
    ratio = Fraction(max(old_rate, new_rate), min(old_rate, new_rate))
    larger, smaller = ratio.limit_denominator(LARGEST).as_integer_ratio()
    return (larger, smaller) if old_rate > new_rate else (smaller, larger)


@lru_cache(maxsize=16)
def _bands(old, new):
    """The products of a block: its margin, input, output, and its bands.

    A band is (inputs, outputs, weights), slices of a block and the weights
    (input, output) that connect them; all other weights are zero.
    """
    periods = -(-BLOCK // new)
    count, base = periods * new, min(old, new) * ROLLOFF
    width, bands = ceil(LOBES * old / base), []
    for start in range(0, count, BAND):
        stop = min(start + BAND, count)
        inputs = slice(
            start * old // new, (stop - 1) * old // new + 2 * width + 1
        )
        at = torch.arange(inputs.start, inputs.stop).double() - width
        of = torch.arange(start, stop).double()
        # in zero crossings of the sinc
        apart = (at[:, None] / old - of / new) * base
        apart = apart.clamp(-LOBES, LOBES)
        weights = torch.cos(apart * (pi / LOBES / 2)).square()
        weights *= torch.sinc(apart) * (base / old)
        bands.append((inputs, slice(start, stop), weights.float()))
    return width, periods * old, count, bands
