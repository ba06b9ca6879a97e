"""Tar shards of clips in the webdataset format, written and read.

A clip is a few files of one name in the archive: ``<id>.flac`` (or .wav, .ogg)
and ``<id>.json`` with its "labels". An index beside the shards says how many
clips each of them has, and how many have each label.
"""

import io
import json
import os
import tarfile
from collections import Counter
from functools import partial

from ..errors import InputError
from .kinds import ENDINGS
from .tables import is_inside
from .writing import write_json

INDEX = "index.json"


def write_shard(path, clips):
    """Write one shard, or nothing if that fails.

    Arguments
    ---------
    path : str
        The tar file.
    clips : iterable of tuple
        (id, extension of the audio, its bytes, labels); an id has no dot.
    """
    with tarfile.open(f"{path}.part", "w") as tar:
        for key, extension, audio, labels in clips:
            text = json.dumps({"id": key, "labels": labels}).encode()
            # the labels first: they tell a reader if it needs the audio
            for name, data in ((".json", text), (extension, audio)):
                member = tarfile.TarInfo(key + name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    os.replace(f"{path}.part", path)


def read_shard(path):
    """The clips of a shard in their order, read only as far as is asked for.

    Arguments
    ---------
    path : str
        The tar file.

    Yields
    ------
    tuple
        id, and extension -> function that returns the bytes. It must be called
        before the next clip is taken.

    Example
    -------
    >>> path = str(getfixture("tmp_path") / "000000.tar")
    >>> write_shard(path, [("clip", ".flac", b"...", ["/m/09x0r"])])
    >>> for key, files in read_shard(path):
    ...     print(key, files[".json"]().decode(), files[".flac"]())
    clip {"id": "clip", "labels": ["/m/09x0r"]} b'...'
    """
    key, files = None, {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                name = os.path.basename(member.name)
                name, dot, extension = name.partition(".")
                if name != key and files:
                    yield key, files
                    files = {}
                key = name
                files[dot + extension] = partial(_read, tar, member)
            if files:
                yield key, files
    except (tarfile.TarError, OSError) as error:
        raise InputError(_broken(path, error))


def labels_of(path, key, files):
    """The labels of a clip that ``read_shard`` returned.

    Arguments
    ---------
    path : str
        The shard, for the error message.
    key : str
        The clip's id, for the error message.
    files : dict
        Extension -> function that returns the bytes.

    Returns
    -------
    list of str
        The labels.
    """
    try:
        labels = json.loads(files[".json"]())["labels"]
    except (KeyError, TypeError, ValueError):
        labels = None
    if isinstance(labels, list) and all(isinstance(n, str) for n in labels):
        return labels
    raise InputError(
        f'{path}: the clip {key} has no .json file with "labels", a list'
    )


def audio_of(path, key, files):
    """The audio of a clip that ``read_shard`` returned.

    Arguments
    ---------
    path, key, files
        As for ``labels_of``.

    Returns
    -------
    bytes
        An encoded audio file.
    """
    for extension in ENDINGS:
        if extension in files:
            return files[extension]()
    raise InputError(
        f"{path}: the clip {key} has no file of sound: {', '.join(ENDINGS)}"
    )


def write_index(folder):
    """Count the clips and labels of the shards of a folder.

    Arguments
    ---------
    folder : str
        A folder of tar files.

    Returns
    -------
    dict
        What was written: "shards", name -> number of clips, and "labels",
        label -> number of clips.
    """
    shards, labels = {}, Counter()
    names = sorted(n for n in os.listdir(folder) if n.endswith(".tar"))
    if not names:
        raise InputError(f"{folder} holds no .tar file")
    for name in names:
        path, shards[name] = os.path.join(folder, name), 0
        for key, files in read_shard(path):
            labels.update(set(labels_of(path, key, files)))
            shards[name] += 1
    index = {"shards": shards, "labels": dict(sorted(labels.items()))}
    write_json(os.path.join(folder, INDEX), index)
    return index


def read_index(folder):
    """The index of a folder of shards, with their paths.

    Arguments
    ---------
    folder : str
        A folder of tar files that has an index.

    Returns
    -------
    shards : dict
        Path of a tar file -> number of clips.
    labels : dict
        Label -> number of clips.
    """
    path = os.path.join(folder, INDEX)
    try:
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
        shards, labels = index["shards"], index["labels"]
        numbers = [*shards.values(), *labels.values()]
        if not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError("its numbers of clips are no whole numbers")
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no index of shards: {error}")
    for name in shards:
        if os.path.basename(name) != name or not is_inside(name):
            raise InputError(
                f"{path}: {name!r} is no file of this folder. Pack it again."
            )
    return {os.path.join(folder, k): n for k, n in shards.items()}, labels


def _read(tar, member):
    try:
        return tar.extractfile(member).read()
    except (tarfile.TarError, OSError) as error:
        raise InputError(_broken(tar.name, error))


def _broken(path, error):
    return f"the shard {path} cannot be read: {error}. Copy or pack it again."
