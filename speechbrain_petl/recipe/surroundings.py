"""A full disk, a folder that cannot be written to: one line, nothing lost."""

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
WRITER = ("PytorchStreamWriter", "inline_container", "unexpected pos")
GOES_ON = "What is written so far is whole: the same command goes on from it."


def surroundings(error):
    """What is to be said of an error that is the machine's.

    Arguments
    ---------
    error : Exception
        Any.

    Returns
    -------
    str or None
        A line; None for an error of another kind.

    Example
    -------
    >>> surroundings(OSError(errno.ENOSPC, "No space left on device", "a.ckpt"))
    'a.ckpt: No space left on device. Make room. What is written so far is whole: the same command goes on from it.'
    """
    while error is not None:
        if isinstance(error, OSError):
            if error.errno in NO_ROOM:
                return f"{_file_of(error)}. Make room. {GOES_ON}"
            if error.errno in NO_RIGHT:
                return f"{_file_of(error)}. Choose another folder. {GOES_ON}"
        # torch's own writer, which does not know why
        words = str(error)
        if isinstance(error, RuntimeError) and any(w in words for w in WRITER):
            return f"a checkpoint could not be written. Make room. {GOES_ON}"
        error = error.__cause__
    return None


def _file_of(error):
    file = error.filename2 or error.filename
    return f"{file}: {error.strerror}" if file else str(error.strerror)
