"""What a file is, by its first bytes: for messages, and for PyAV.

Endings lie: a download that went wrong is a web page called ``.wav``.
"""

HEAD = 512  # bytes that tell

# whoever calls a file so takes it for sound: if it is none, that is an error
ENDINGS = (
    ".flac",
    ".wav",
    ".ogg",
    ".mp3",
    ".opus",
    ".m4a",
    ".webm",
    ".aiff",
    ".aif",
    ".au",
    ".wma",
    ".amr",
    ".aac",
)

# (offset, first bytes, what it is): what libsndfile does not read and FFmpeg
# does, which PyAV brings
FOREIGN_SOUND = (
    (4, b"ftyp", "an MPEG-4 file (m4a, mp4, mov)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file (wma)"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"\x1aE\xdf\xa3", "a Matroska file (webm, mkv)"),
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV", "a Flash video"),
    (0, b"\x00\x00\x01\xba", "an MPEG video"),
    (0, b"\xff\xf1", "an AAC stream"),
    (0, b"\xff\xf9", "an AAC stream"),
    (0, b"\x0bw", "an AC-3 stream"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"TTA1", "a True Audio file"),
    (0, b"OggS", "an Ogg file of another codec"),
    (8, b"WAVE", "a wav file of another codec"),
)
NO_SOUND = (
    (0, b"\x89PNG", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
    (0, b"GIF8", "a picture (GIF)"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a zip archive: unpack it first"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it first"),
    (0, b"BZh", "a bzip2 archive: unpack it first"),
    (0, b"\xfd7zXZ", "an xz archive: unpack it first"),
    (0, b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (0, b"Rar!", "a rar archive: unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first"),
    (0, b"MThd", "a MIDI score, which holds notes and no sound"),
    (0, b"\x93NUMPY", "a numpy array"),
    (0, b"SQLite", "a database"),
    (0, b"\x7fELF", "a program"),
    (0, b"\x00\x05\x16\x07", "what macOS keeps beside a file, not the file"),
    (0, b"version https://git-lfs", "a pointer of Git LFS: run `git lfs pull`"),
)
PAGES = (b"<!doctype", b"<html", b"<?xml")


def head_of(file):
    """The first bytes of a file.

    Arguments
    ---------
    file : str or file
        Its path, or its bytes in an ``io.BytesIO``.

    Returns
    -------
    bytes
        512 of them, or fewer.
    """
    if hasattr(file, "getvalue"):
        return file.getvalue()[:HEAD]
    with open(file, "rb") as opened:
        return opened.read(HEAD)


def foreign_sound(head):
    """What of sound or video it is that only PyAV reads.

    Arguments
    ---------
    head : bytes
        The first bytes of a file that libsndfile does not read.

    Returns
    -------
    str or None
        What it is, with its article.

    Example
    -------
    >>> foreign_sound(b"#!AMR and more")
    'an AMR file'
    """
    return _first(FOREIGN_SOUND, head)


def no_sound(head):
    """What a file is that is no sound.

    Arguments
    ---------
    head : bytes
        Its first bytes.

    Returns
    -------
    str
        What it is, with its article.

    Example
    -------
    >>> no_sound(b"These are words"), no_sound(b"<!DOCTYPE html>")
    ('a text', 'a web page: the download went wrong')
    """
    if not head:
        return "empty"
    if not head.strip(b"\0"):
        return "nothing but zeros"
    if head.lstrip().lower().startswith(PAGES):
        return "a web page: the download went wrong"
    return _first(NO_SOUND, head) or _text(head) or "of no known format"


def _first(kinds, head):
    for offset, start, what in kinds:
        if head.startswith(start, offset):
            return what
    return None


def _text(head):
    try:
        # a letter may be cut at the end
        text = head.decode("utf-8", "ignore" if len(head) == HEAD else "strict")
    except UnicodeDecodeError:
        return None
    plain = all(c.isprintable() or c in "\r\n\t\ufeff" for c in text)
    return "a text" if plain and 2 * len(text) > len(head) else None
