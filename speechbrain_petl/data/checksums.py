"""What was written is what is read: checksums of files, and of plain data.

SHA256SUMS in a folder is what ``sha256sum -c`` takes.
"""

import hashlib
import json
from pathlib import Path

from ..errors import InputError

SUMS = "SHA256SUMS"
KEY = "sha256"  # in json: name of a file -> checksum, its own included
UNFINISHED = ".part"  # how what is being written ends


def sha256_of(path):
    """The checksum of a file.

    Arguments
    ---------
    path : str or os.PathLike
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Example
    -------
    >>> path = getfixture("tmp_path") / "empty"
    >>> path.touch()
    >>> sha256_of(path)[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_sums(folder, unfinished=None):
    """Write the checksums of all files of a folder beside them.

    Arguments
    ---------
    folder : str or os.PathLike
        The folder.
    unfinished : str or os.PathLike, optional
        A file in it that ends in .part and will be renamed; it is listed as
        what it will be.
    """
    files = {p.name: p for p in Path(folder).iterdir() if p.is_file()}
    files = {k: p for k, p in files.items() if not k.endswith(UNFINISHED)}
    if unfinished:
        path = Path(unfinished)
        files[path.name.removesuffix(UNFINISHED)] = path
    files.pop(SUMS, None)
    lines = [f"{sha256_of(p)}  {name}\n" for name, p in sorted(files.items())]
    (Path(folder) / SUMS).write_text("".join(lines), encoding="utf-8")


def damaged_files(folder):
    """The files of a folder that are not what was written.

    Arguments
    ---------
    folder : str or os.PathLike
        With checksums; without, nothing is known to be damaged.

    Returns
    -------
    dict
        Name -> "missing" or "altered".

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in "ab":
    ...     _ = (folder / name).write_text("as written")
    >>> write_sums(folder)
    >>> _ = (folder / "a").write_text("altered")
    >>> damaged_files(folder)
    {'a': 'altered'}
    """
    sums = Path(folder) / SUMS
    if not sums.is_file():
        return {}
    found, listed = {}, {SUMS}
    text = sums.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines() or [""]:
        digest, _, name = line.partition("  ")
        listed.add(name)
        path = Path(folder) / Path(name).name
        if len(digest) != 64 or not name:
            found[SUMS] = "altered"
        elif not path.is_file():
            found[name] = "missing"
        elif sha256_of(path) != digest:
            found[name] = "altered"
    if {p.name for p in Path(folder).iterdir()} - listed:
        found[SUMS] = "altered"  # it does not list what is there
    return found


def sealed(content, name, **others):
    """Plain data with its own checksum, and those of files that go with it.

    Arguments
    ---------
    content : dict
        What json can hold.
    name : str
        Of the file that it will be in.
    **others : str
        Name -> checksum.

    Returns
    -------
    dict
        The same, and last the checksums.

    Example
    -------
    >>> content = sealed({"seed": 1}, "a.json")
    >>> check_seal(content, "a.json")
    >>> check_seal({**content, "seed": 2}, "a.json")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: a.json is damaged or has been altered: its checksum is another one. Copy it again from where it was whole, or have the command that wrote it write it anew.
    """
    sums = {name: _sum_of({**content, KEY: others}), **others}
    return {**content, KEY: sums}


def check_seal(content, path):
    """Refuse plain data that is not what ``sealed`` returned.

    Arguments
    ---------
    content : dict
        As read; without checksums, as older versions wrote it, it passes.
    path : str or os.PathLike
        The file that it was read from.
    """
    sums = content.get(KEY)
    if sums is None:
        return
    name = Path(path).name
    others = dict(sums) if isinstance(sums, dict) else {}
    own = others.pop(name, None)
    if own != _sum_of({**content, KEY: others}):
        raise InputError(_altered(path))


def check_sum(content, path, name=None, found=None):
    """Refuse a file that is not the one whose checksum is known.

    Arguments
    ---------
    content : dict
        As ``sealed`` returned it.
    path : str or os.PathLike
        The file.
    name : str, optional
        In the checksums; by default that of the file.
    found : str, optional
        Its checksum; by default it is computed.
    """
    known = (content.get(KEY) or {}).get(name or Path(path).name)
    if known is not None and (found or sha256_of(path)) != known:
        raise InputError(_altered(path))


def _altered(path):
    return (
        f"{path} is damaged or has been altered: its checksum is another one. "
        "Copy it again from where it was whole, or have the command that wrote "
        "it write it anew."
    )


def _sum_of(content):
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
