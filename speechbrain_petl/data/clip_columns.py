"""What the columns and keys of a table of clips may be called."""

import re

from .cells import find_columns

SYNONYMS = {
    "path": (
        *("file_name", "file", "file_path", "audio_filepath", "audio_path"),
        *("audio_file", "audio", "audio_file_name", "wav", "wav_path"),
        *("wav_file", "sound", "sound_file", "recording", "fname", "clip"),
        *("slice_file_name", "begin_file", "song", "uri"),
    ),
    "label": (
        *("labels", "class", "class_name", "category", "tag", "tags"),
        *("target", "annotation", "species", "primary_label", "sample"),
        *("label_name", "class_label", "emotion", "keyword", "word"),
    ),
    "split": ("subset", "set", "partition"),
    "group": (
        *("speaker", "speaker_id", "client_id", "subject", "participant"),
        *("recording", "recording_id", "session", "source"),
    ),
    "start": ("start_time", "begin", "begin_time", "begin_time_s", "onset"),
    "stop": ("stop_time", "end", "end_time", "end_time_s"),
    "duration": ("length", "dur"),
}
OPTIONAL = ("split", "group", "start", "stop", "duration")


def synonyms_of(header):
    """What columns may be called: an offset is where a clip stops.

    Beside a duration, as in NeMo's manifests, it is where a clip starts.

    Arguments
    ---------
    header : list of str
        The names of a table.

    Returns
    -------
    dict
        Our name -> theirs.

    Example
    -------
    >>> "offset" in synonyms_of(["file", "offset", "duration"])["start"]
    True
    """
    lasts = find_columns(header, ["duration"], SYNONYMS)
    name = "start" if lasts else "stop"
    return {**SYNONYMS, name: (*SYNONYMS[name], "offset")}


def divided(cell, sign):
    """The labels of a cell; a list as programs write it is always one.

    Arguments
    ---------
    cell : str
        What stands there.
    sign : str or None
        Between two labels.

    Returns
    -------
    list of str
        Without blanks.

    Example
    -------
    >>> divided("dog; rain", ";"), divided("['dog', 'rain']", None)
    (['dog', 'rain'], ['dog', 'rain'])
    """
    if re.fullmatch(r"\[(['\"].*['\"])?\]", cell):
        parts = [part.strip(" '\"") for part in cell[1:-1].split(",")]
    else:
        parts = cell.split(sign) if sign else [cell]
    return [part.strip() for part in parts if part.strip()]
