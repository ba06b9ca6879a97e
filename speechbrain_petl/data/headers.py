"""What the header of a sound file says of its length, against the file's.

libsndfile takes what is left of a truncated wav, aiff or au for the whole.
"""

import os
import struct

_UNKNOWN = 0xFFFFFFFF  # a streamed file does not know its length
_CHUNKS = {  # name -> its order of bytes, the chunk of the samples
    b"RIFF": ("<", b"data"),
    b"RIFX": (">", b"data"),
    b"FORM": (">", b"SSND"),
}
_TOTALS = {  # name -> where it says how long all of it is, less how much
    b"RF64": ("<20xq", 8),
    b"riff": ("<16xq", 0),  # Sony's w64
}


def missing_bytes(path):
    """How many bytes of its samples a file lacks.

    Arguments
    ---------
    path : str
        A sound file.

    Returns
    -------
    int
        0 also for formats that have no such header.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"RIFF\\x2c\\0\\0\\0WAVEdata\\x08\\0\\0\\0half")
    >>> missing_bytes(path)
    4
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(28).ljust(28, b"\0")
        name = head[:4]
        if name in _CHUNKS:
            file.seek(12)
            return _missing_of_chunk(file, size, *_CHUNKS[name])
        if name in _TOTALS:
            form, less = _TOTALS[name]
            return max(0, struct.unpack_from(form, head)[0] + less - size)
        if name == b".snd":
            start, length = struct.unpack_from(">4xII", head)
            return max(0, start + length - size) if length != _UNKNOWN else 0
    return 0


def _missing_of_chunk(file, size, order, samples):
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack(f"{order}4sI", header)
        if name == samples:
            known = length != _UNKNOWN
            return max(0, file.tell() + length - size) if known else 0
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0
