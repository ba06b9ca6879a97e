"""Which files of a folder are sound: by what is in them, not by their names."""

from collections import Counter
from pathlib import Path

import soundfile

from speechbrain.utils.logger import get_logger

from ..errors import InputError
from .audio import FOREIGN
from .foreign import EXTRA, can_read_foreign
from .kinds import ENDINGS, foreign_sound, head_of, no_sound

logger = get_logger(__name__)

BESIDE = "._"  # macOS keeps what belongs to x.wav in ._x.wav


def find_audio(paths):
    """The sound files among and below some paths.

    What is left out of a folder, as it is no sound, is counted in the log.

    Arguments
    ---------
    paths : list of str
        Files and folders.

    Returns
    -------
    list of str
        Each file once, those of a folder sorted. Whether they are whole is
        for ``check_audio`` to say.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.aiff", [0.0] * 1600, 16000)
    >>> _ = (folder / "notes.txt").write_text("no sound")
    >>> [Path(file).name for file in find_audio([folder])]
    ['a.aiff']
    """
    found = {}
    for path in map(Path, paths):
        files = _below(path) if path.is_dir() else [path]
        found |= {str(file): None for file in files}
    return list(found)


def _below(folder):
    files, left_out = [], {}
    for path in sorted(folder.rglob("*")):
        if not _counts(path):
            continue
        reason = _no_sound(path)
        if reason is None:
            files.append(path)
        else:
            left_out[path] = reason
    kinds = ", ".join(
        f"{number} {kind}"
        for kind, number in Counter(left_out.values()).most_common()
    )
    if not files:
        raise InputError(
            f"{folder} holds no sound file. Its files: {kinds or 0}"
        )
    if left_out:
        logger.warning(
            f"{folder}: {len(left_out)} files are left out, such as "
            f"{next(iter(left_out))}: {kinds}"
        )
    return files


def is_sound(path):
    """Whether a path is a sound file, by its content (pathlib.Path)."""
    return _counts(path) and _no_sound(path) is None


def _counts(path):
    return path.is_file() and not path.name.startswith(BESIDE)


def _no_sound(path):
    """What a file is, or None for sound."""
    if path.suffix.lower() in ENDINGS:
        return None
    try:
        soundfile.info(str(path))
        return None
    except soundfile.LibsndfileError as error:
        if error.code not in FOREIGN:  # a format it knows, but broken
            return None
    except UnicodeEncodeError:
        return None  # check_audio refuses the name
    head = head_of(path)
    what = foreign_sound(head)
    if what is None:
        return no_sound(head)
    return None if can_read_foreign() else f"{what}, which {EXTRA} reads"
