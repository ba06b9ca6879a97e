"""What libsndfile cannot read, such as m4a and video, read by PyAV.

An extra: ``pip install "speechbrain_petl[formats]"``.
"""

from contextlib import contextmanager
from fractions import Fraction

import numpy as np

from ..errors import InputError

PREROLL = 0.5  # seconds that a decoder gets before what is kept of it
# formats with an index or times of their own: others are read from their start
_INDEXED = {"mov", "matroska", "webm", "avi"}
EXTRA = 'pip install "speechbrain_petl[formats]"'


def can_read_foreign():
    """Whether PyAV is installed.

    Returns
    -------
    bool
        False without the extra.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


class ForeignFile:
    """As ``soundfile.SoundFile``, so far as ``data.audio`` uses it.

    Arguments
    ---------
    file : str or file
        Its path, or its bytes in an ``io.BytesIO``.
    name : str
        What an error calls it.
    what : str
        What it seems to be, with its article.
    """

    subtype = "FFMPEG"

    def __init__(self, file, name, what):
        try:
            import av
        except ImportError as error:
            raise InputError(
                f"{name} is {what}: reading it needs PyAV, {EXTRA}"
            ) from error
        self.av, self.name, self.first = av, name, 0
        with _named_errors(self.av, self.name):
            self.container = av.open(
                str(file) if not hasattr(file, "read") else file
            )
        if not self.container.streams.audio:
            self.container.close()
            raise InputError(f"{name} is {what} without a sound track")
        self.stream = self.container.streams.audio[0]
        self.samplerate = self.stream.rate
        with _named_errors(av, name):
            self.frames = self._length()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.container.close()

    @property
    def _start(self):
        return float((self.stream.start_time or 0) * self.stream.time_base)

    @property
    def _has_index(self):
        return bool(_INDEXED & set(self.container.format.name.split(",")))

    def _length(self):
        """Samples of a channel: what the index says, or all packets."""
        duration, unit = self.stream.duration, self.stream.time_base
        if not duration:
            duration, unit = self.container.duration, Fraction(1, 10**6)
        if not (self._has_index and duration):
            self.container.seek(0)
            ends = [
                packet.pts + (packet.duration or 0)
                for packet in self.container.demux(self.stream)
                if packet.pts is not None
            ]
            duration, unit = max(ends, default=0), self.stream.time_base
            duration -= self.stream.start_time or 0
        return max(0, round(float(duration * unit) * self.samplerate))

    def seekable(self):
        """As SoundFile's."""
        return True

    def seek(self, first):
        """Say at which sample to read."""
        self.first = first

    def read(self, count, dtype="float32"):
        """So many samples (sample, channel), or all up to the end."""
        blocks, kept = [], 0
        with _named_errors(self.av, self.name):
            for block in self._from_first():
                blocks.append(block)
                kept += len(block)
                if kept >= count:
                    break
        if not blocks:
            return np.zeros((0, 1), np.float32)
        self.first += min(kept, count)
        return np.concatenate(blocks)[:count]

    def _from_first(self):
        """Blocks (sample, channel) of what is decoded, from ``first`` on."""
        start, position = self.first / self.samplerate - PREROLL, None
        to = max(0, start + self._start) if self._has_index else 0
        self.container.seek(int(to / self.stream.time_base), stream=self.stream)
        convert = self.av.AudioResampler(format="fltp")
        for frame in self.container.decode(self.stream):
            if position is None:
                time = float((frame.pts or 0) * self.stream.time_base)
                position = round((time - self._start) * self.samplerate)
                late = position - self.first
                if to == 0 < late < self.samplerate:  # what a decoder drops
                    yield np.zeros((late, len(frame.layout.channels)), "f4")
            for part in convert.resample(frame):
                block = part.to_ndarray().T
                skip = max(0, self.first - position)
                position += len(block)
                if skip < len(block):
                    yield block[skip:]


@contextmanager
def _named_errors(av, name):
    """FFmpeg's errors as one line that names the file."""
    try:
        yield
    except (av.FFmpegError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it ends too early"
        raise InputError(
            f"{name} is broken: {reason}. Copy or download it again."
        ) from error
