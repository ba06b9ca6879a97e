"""How long an mp3 is whose header does not say it.

libsndfile then guesses from the bit rate of the first frame, which is wrong
where the bit rate varies.
"""

import io

_INDEXES = (b"Xing", b"Info", b"VBRI")  # one of them in the first frame
_FIRST = 2048  # bytes that hold the first frame
_HEAD = 4  # bytes of a frame's header
_LAYER_III = 1
_MPEG_1 = 3  # the others have half of its samples and rates
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000)}
_RATES[0] = (11025, 12000, 8000)  # Hz, of MPEG 2.5
_BITS_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def counted_samples(file):
    """The samples of an mp3, counted frame by frame.

    Arguments
    ---------
    file : str or file
        Its path, or its bytes in an ``io.BytesIO``.

    Returns
    -------
    int or None
        Samples of a channel; None where its header says how many there are.

    Example
    -------
    >>> frame = bytes([0xFF, 0xF3, 0x18, 0xC4]) + bytes(32)  # 8 kbit/s
    >>> counted_samples(io.BytesIO(frame * 10))
    5760
    """
    if hasattr(file, "getvalue"):
        return _counted(io.BytesIO(file.getvalue()))
    with open(file, "rb") as opened:
        return _counted(opened)


def _counted(file):
    file.seek(_after_tag(file.read(10)))
    first = file.read(_FIRST)
    if any(name in first for name in _INDEXES):
        return None
    data = first[max(0, first.find(b"\xff")) :] + file.read()
    total = offset = 0
    while frame := _frame(data[offset : offset + _HEAD]):
        length, samples = frame
        offset += length
        total += samples
    return total


def _after_tag(data):
    """Where the sound begins: after an ID3 tag, whose size has 7-bit bytes."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte
    return 10 + size


def _frame(head):
    """Bytes and samples of the frame that a header begins; None if none does."""
    if len(head) < _HEAD or head[0] != 0xFF or head[1] >> 5 != 7:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version not in _RATES or layer != _LAYER_III:
        return None
    if bits in (0, 15) or rate == 3:
        return None
    samples = 1152 if version == _MPEG_1 else 576
    table = _BITS_1 if version == _MPEG_1 else _BITS_2
    rate = _RATES[version][rate]
    return samples * 125 * table[bits - 1] // rate + padding, samples
