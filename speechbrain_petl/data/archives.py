"""Fetch an archive once, check its sum, and unpack all of it or nothing."""

import os
import shutil
import tarfile
import zipfile
import zlib

from speechbrain.utils.data_utils import download_file

from ..errors import InputError
from .checksums import sha256_of
from .tables import is_inside


def fetch_archive(url, folder, sha256=None):
    """Unpack an archive into a folder, fetching it if it is not beside it.

    If all of it lies in a folder of that very name, that is the one. The
    archive is kept. Both it and the folder take their name only when they
    are complete, so that a killed run leaves nothing that looks whole.

    Arguments
    ---------
    url : str
        Of a .tar.gz or .zip file, or the path of one.
    folder : str
        Where its content goes; must not exist yet.
    sha256 : str, optional
        What its publisher says, in hexadecimal.

    Returns
    -------
    str
        The folder.

    Example
    -------
    >>> tmp = getfixture("tmp_path")
    >>> (tmp / "clips").mkdir()
    >>> _ = (tmp / "clips" / "a.txt").write_text("a")
    >>> made = shutil.make_archive(str(tmp / "all"), "zip", tmp / "clips")
    >>> folder = fetch_archive(made, f"{tmp}/new/all", sha256_of(made))
    >>> os.listdir(folder)
    ['a.txt']
    """
    name = os.path.basename(url)
    archive = os.path.join(os.path.dirname(folder), name)
    other = f"Get it by other means and put it into {archive}."
    if not os.path.isfile(archive):
        try:
            download_file(url, f"{archive}.part")
        except OSError as error:
            raise InputError(f"{url} could not be fetched: {error}. {other}")
        os.replace(f"{archive}.part", archive)
    _check_sum(archive, sha256, url)
    part = f"{folder}.part"
    try:
        _unpack(archive, part)
    except (
        OSError,
        EOFError,
        ValueError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(
            f"{archive} could not be unpacked: {error}. Delete it and run again."
        )
    inner = os.path.basename(folder)
    only = os.listdir(part) == [inner]
    os.replace(os.path.join(part, inner) if only else part, folder)
    shutil.rmtree(part, ignore_errors=True)
    return folder


def _unpack(archive, folder):
    """All of an archive, none of it outside the folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as unpacked:
            for name in unpacked.namelist():
                _check_inside(name)
            # links become small files: zipfile makes none
            unpacked.extractall(folder)
        return
    with tarfile.open(archive) as unpacked:
        if hasattr(tarfile, "data_filter"):
            unpacked.extractall(folder, filter="data")
            return
        for member in unpacked.getmembers():  # Python 3.10.11 and older
            _check_inside(member.name)
            if not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"{member.name!r} is no plain file")
        unpacked.extractall(folder)


def _check_inside(name):
    if not is_inside(name):
        raise tarfile.TarError(f"{name!r} would be outside the folder")


def _check_sum(archive, sha256, url):
    if sha256 is None:
        return
    found = sha256_of(archive)
    if found != sha256:
        raise InputError(
            f"{archive} has the sha256 sum {found}, not {sha256}: it is not "
            f"whole, or another file than {url}. Delete it and run again."
        )
