"""Fetch an archive once, check its sum, and unpack all of it or nothing."""

import os
import shutil
import tarfile
import zipfile
import zlib

from filelock import FileLock, Timeout

from speechbrain.utils.data_utils import download_file
from speechbrain.utils.logger import get_logger

from ..errors import InputError
from .checksums import sha256_of
from .tables import is_inside
from .writing import make_folder

logger = get_logger(__name__)


def fetch_archive(url, folder, sha256=None):
    """Unpack an archive into a folder, fetching it if it is not beside it.

    If all of it lies in a folder of that very name, that is the one. The
    archive is kept. Both it and the folder take their name only when they
    are complete, so that a killed run leaves nothing that looks whole. Of
    several runs one fetches it, and the others wait.

    Arguments
    ---------
    url : str
        Of a .tar.gz or .zip file, or the path of one.
    folder : str
        Where its content goes; if it holds anything, it stays as it is.
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
    beside = os.path.dirname(folder)
    make_folder(beside)
    archive = os.path.join(beside, os.path.basename(url))
    with _alone(archive):
        if not (os.path.isdir(folder) and os.listdir(folder)):
            _download(url, archive)
            _check_sum(archive, sha256, url)
            _unpack_whole(archive, folder)
    return folder


def _alone(archive):
    """Hold its lock. The file stays: to delete it would let two others in."""
    lock = FileLock(f"{archive}.lock")
    try:
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            logger.info(f"waiting for another run that fetches {archive}")
            return lock.acquire(poll_interval=0.5)
    except OSError as error:
        raise InputError(f"{archive}.lock cannot be locked: {error}")


def _download(url, archive):
    """To its name once it is complete, if it is not there."""
    if os.path.isfile(archive):
        return
    try:
        # over what a killed run has left
        download_file(url, f"{archive}.part", replace_existing=True)
    except OSError as error:
        raise InputError(
            f"{url} could not be fetched: {error}. Get it by other means and "
            f"put it into {archive}."
        )
    os.replace(f"{archive}.part", archive)


def _unpack_whole(archive, folder):
    """To its name once it is complete."""
    part = f"{folder}.part"
    shutil.rmtree(part, ignore_errors=True)  # of a killed run
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
