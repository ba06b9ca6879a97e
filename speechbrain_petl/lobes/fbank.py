"""Kaldi's log-mel filterbank for batches of waveforms, as the AST expects it.

One frame is DC removal, pre-emphasis, window, power spectrum, mel filters,
log: see ``torchaudio.compliance.kaldi.fbank``, which takes one clip at a time.
"""

import torch
from torch import nn
from torchaudio.compliance.kaldi import get_mel_banks

from ..errors import InputError, check_choice

# AudioSet's mean and deviation, which the published AST weights expect
AUDIOSET_MEAN, AUDIOSET_STD = -4.2677393, 4.5689974
LOW_HZ = 20.0  # where the first mel filter starts
PREEMPHASIS = 0.97
WINDOWS = {"hanning": 1.0, "povey": 0.85}  # powers of the Hann window
WINDOW_SECONDS, HOP_SECONDS = 0.025, 0.010
BAND = 16  # mel filters computed together, see _bands
CPU_CHUNK = 2  # clips at a time: more do not fit the caches


class Fbank(nn.Module):
    """Waveforms (batch, sample) to log-mel spectrograms (batch, frame, mel).

    Normalised as (x - mean) / (2 std). Frames after the end of a clip are 0
    *before* normalisation, as the pretrained AST has seen them
    (https://arxiv.org/abs/2104.01778). Runs in fp32 and without gradient.

    Arguments
    ---------
    frames : int
        Every clip is padded or cropped to this many frames of 10 ms.
    mels : int
        Number of mel filters, up to half of the sample rate.
    sample_rate : int
        Hz.
    mean : float
        Mean of the log-mel values of the data.
    std : float
        Their standard deviation.
    window : str
        A name of WINDOWS: that of the AST, or Kaldi's own, that of BEATs.
    scale : float
        Waveforms are multiplied by it; BEATs' are whole numbers of 16 bits.

    Example
    -------
    >>> fbank = Fbank(frames=100)
    >>> fbank(torch.randn(2, 16000)).shape
    torch.Size([2, 100, 128])
    """

    def __init__(
        self,
        frames=1024,
        mels=128,
        sample_rate=16000,
        mean=AUDIOSET_MEAN,
        std=AUDIOSET_STD,
        window="hanning",
        scale=1.0,
    ):
        super().__init__()
        check_choice("window", window, WINDOWS)
        if frames < 1:
            raise InputError(f"frames={frames}: a spectrogram has at least one")
        if not std > 0:
            raise InputError(f"std={std}: a deviation is above 0")
        self.frames, self.mean, self.std = frames, mean, std
        self.sample_rate = sample_rate
        self.window_size = round(WINDOW_SECONDS * sample_rate)
        self.hop = round(HOP_SECONDS * sample_rate)
        # the frames span so much; later samples have no effect
        self.samples = (frames - 1) * self.hop + self.window_size
        self.seconds = self.samples / sample_rate
        # a log-mel value of 0, that of frames after the end of a clip
        self.padding_value = (0.0 - mean) / (2 * std)
        self.fft_size = 1 << (self.window_size - 1).bit_length()
        power = WINDOWS[window]
        window = torch.hann_window(self.window_size, periodic=False) ** power
        banks = get_mel_banks(
            mels, self.fft_size, sample_rate, LOW_HZ, 0.0, 100.0, -500.0, 1.0
        )[0]
        # the Nyquist bin belongs to no filter; each row stands twice because
        # real and imaginary parts are squared and summed in the same product
        banks = nn.functional.pad(banks, (0, 1)).T.repeat_interleave(2, dim=0)
        self.bands = _bands(banks)
        # the settings rebuild them, so no checkpoint needs to hold them; the
        # window begins with a zero, which is left out
        self.register_buffer("window", scale * window[1:], persistent=False)
        self.register_buffer("banks", banks.contiguous(), persistent=False)

    def frames_of(self, samples):
        """How many whole windows fit; a shorter clip is padded to one."""
        whole = (samples - self.window_size) // self.hop + 1
        if isinstance(samples, torch.Tensor):
            return whole.clamp(min=1)
        return max(whole, 1)

    @torch.no_grad()
    def forward(self, wavs, wav_lens=None):
        """Waveforms (batch, sample) to spectrograms (batch, frame, mel), fp32.

        ``wav_lens`` are SpeechBrain's, shares of the longest (batch,).
        """
        out = self.log_mel(wavs[:, : self.samples])
        out = nn.functional.pad(out, (0, 0, 0, self.frames - out.shape[1]))
        if wav_lens is not None:
            valid = self.frames_of((wav_lens * wavs.shape[1]).round().long())
            frame = torch.arange(self.frames, device=wavs.device)
            past = (frame >= valid.unsqueeze(1)).unsqueeze(2)
            out = out.masked_fill_(past, 0.0)
        return out.div_(2 * self.std).add_(self.padding_value)

    @torch.no_grad()
    def log_mel(self, wavs):
        """Waveforms (batch, sample) to log-mel energies (batch, frame, mel).

        All frames that fit, as they are.
        """
        wavs = wavs.float()
        missing = max(self.window_size - wavs.shape[1], 0)
        wavs = nn.functional.pad(wavs, (0, missing))
        with torch.autocast(wavs.device.type, enabled=False):
            parts = [wavs]
            if wavs.device.type == "cpu" and not torch.compiler.is_exporting():
                parts = wavs.split(CPU_CHUNK)
            return torch.cat([self._log_energies(part) for part in parts])

    def _log_energies(self, wavs):
        """Logarithms of the mel filters' energies (batch, frame, mel)."""
        # Kaldi takes each window's mean away; that of the clip goes first,
        # which leaves less to round
        wavs = wavs - wavs.mean(dim=1, keepdim=True)
        x = wavs.unfold(1, self.window_size, self.hop)
        x = x - x.mean(2, keepdim=True)
        x = torch.sub(x[..., 1:], x[..., :-1], alpha=PREEMPHASIS)
        x = x.mul_(self.window)
        x = torch.fft.rfft(x, n=self.fft_size)
        squares = torch.view_as_real(x).square_().flatten(2)
        energies = torch.cat(
            [squares[..., b] @ self.banks[b, f] for b, f in self.bands], dim=2
        )
        return energies.clamp_(min=torch.finfo(torch.float32).eps).log_()


def _bands(banks):
    """Slices (bins, filters) that hold all non-zero weights of the filters.

    A filter spans few bins, so a product per band of neighbouring filters
    needs a fraction of the dense one's multiplications.
    """
    mels, bands = banks.shape[1], []
    empty = mels - int(banks.any(dim=0).sum())
    if empty > mels / 10:  # of Kaldi's 128, one is
        raise InputError(
            f"mels={mels} is more than the resolution of the spectrum allows: "
            f"{empty} of the filters would be empty. Take 128 or fewer."
        )
    for start in range(0, mels, BAND):
        filters = slice(start, start + BAND)
        used = banks[:, filters].any(dim=1).nonzero()
        bands.append((slice(int(used[0]), int(used[-1]) + 1), filters))
    return bands
