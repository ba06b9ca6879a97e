"""Fetch an archive once, check its sum, and unpack all of it or nothing."""

import hashlib
import os
import shutil
import tarfile
import urllib.request
import zipfile
import zlib

from tqdm import tqdm

from .errors import InputError

_BLOCK = 1 << 20  # bytes


def fetch_archive(url, folder, sha256):
    """Unpack an archive into a folder, fetching it if it is not beside it.

    The archive is kept. Both it and the folder take their name only when they
    are complete, so that a killed run leaves nothing that looks whole.

    Arguments
    ---------
    url : str
        Of a .tar.gz or .zip file.
    folder : str
        Where its content goes; must not exist yet.
    sha256 : str
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
    >>> sha256 = hashlib.sha256(open(made, "rb").read()).hexdigest()
    >>> folder = fetch_archive(f"file://{made}", f"{tmp}/new/all", sha256)
    >>> os.listdir(folder)
    ['a.txt']
    """
    name = os.path.basename(url)
    archive = os.path.join(os.path.dirname(folder), name)
    other = f"Get it by other means and put it into {archive}."
    if not os.path.isfile(archive):
        try:
            _download(url, archive)
        except OSError as error:
            raise InputError(f"{url} could not be fetched: {error}. {other}")
    found = _sha256(archive)
    if found != sha256:
        raise InputError(
            f"{archive} has the sha256 sum {found}, not {sha256}: it is not "
            f"whole, or another file than {url}. Delete it and run again."
        )
    try:
        shutil.unpack_archive(archive, f"{folder}.part")
    except (
        OSError,
        EOFError,
        ValueError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{archive} could not be unpacked: {error}")
    os.replace(f"{folder}.part", folder)
    return folder


def _download(url, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with (
        urllib.request.urlopen(url) as source,
        open(f"{path}.part", "wb") as target,
        tqdm(
            total=int(source.headers.get("Content-Length", 0)) or None,
            desc=f"fetching {os.path.basename(path)}",
            unit="B",
            unit_scale=True,
        ) as bar,
    ):
        while block := source.read(_BLOCK):
            target.write(block)
            bar.update(len(block))
    os.replace(f"{path}.part", path)


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
