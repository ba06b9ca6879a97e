"""Labelled sounds in a folder, however they are laid out, as one list of clips.

A folder per class (torchvision's ImageFolder), with train, valid and test above
them or without; a csv or tsv; Hugging Face's audiofolder (metadata.csv or
.jsonl); the json of the original AST (https://github.com/YuanGongND/ast).
"""

from pathlib import Path

from speechbrain.utils.logger import get_logger

from ..errors import InputError, refuse_all
from .clip_rows import MISSING, SPLIT_NAMES, clip_of, split_of
from .clip_tables import HUGGING_FACE, is_table, lists_clips, rows_of
from .finding import find_audio, is_sound
from .tables import wrong_folder

logger = get_logger(__name__)

LAYOUTS = (
    "Give one that holds a folder for each class (in train, valid and test, if "
    "you have these); or a csv or tsv with the columns path and label; or "
    "metadata.csv or metadata.jsonl with file_name and label; or a json {data: "
    "[{wav: ..., labels: ...}]}."
)


SOUNDS_ELSEWHERE = (
    "Correct the names, or give the folder of the sounds: --data_folder=FOLDER "
    "--table=TABLE"
)


def read_clips(data_folder, table=None, tagging=False):
    """All clips of a data set, whatever its layout.

    Arguments
    ---------
    data_folder : str
        The folder of the sounds, or a table of them.
    table : str, optional
        The table, relative to data_folder or elsewhere; by default it is
        looked for, and without one folders are classes; "." for folders
        beside which there is a table of something else.
    tagging : bool
        Whether a cell may hold several labels.

    Returns
    -------
    list of dict
        Sorted by "id", the path below data_folder. Each has "where", what an
        error calls it, "wav", "labels", and "split", "group", "start" and
        "stop" (seconds) or None for these.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("cat", "dog"):
    ...     (folder / name).mkdir()
    ...     (folder / name / "1.wav").touch()
    >>> [(clip["id"], clip["labels"]) for clip in read_clips(folder)]
    [('cat/1.wav', ['cat']), ('dog/1.wav', ['dog'])]
    """
    root = Path(data_folder).absolute()
    if root.is_file():
        root, table = root.parent, root.name
    if not root.is_dir():
        raise wrong_folder(str(data_folder), "sounds", LAYOUTS)
    if not isinstance(table, (str, type(None))):
        raise InputError(f"table={table}: give the name of a file")
    if table in (None, "."):
        clips = _below(root, root, None, tagging, table is None)
    else:
        clips = table_clips(root / table, root, tagging)
    refuse_twice(clips, root)
    return sorted(clips, key=lambda clip: clip["id"])


def table_clips(path, root, tagging=None, split=None, more=(), beside=None):
    """The clips of a table; all that is wrong with its rows is said at once.

    Arguments
    ---------
    path : pathlib.Path
        The table.
    root : pathlib.Path
        The folder below which the sounds must be.
    tagging : bool, optional
        As for ``rows_of``.
    split : str, optional
        Of the rows that name none.
    more : sequence of str
        Further columns that a csv must have: "id".
    beside : pathlib.Path, optional
        The only folder that paths are relative to; by default that of the
        table, the root, or the one folder in it that has the file.

    Returns
    -------
    list of dict
        As ``read_clips`` returns them, in the order of the rows.
    """
    if not path.is_file():
        raise wrong_folder(
            str(path.parent), path.name, "Name one that is there."
        )
    folders = [beside] if beside else [path.parent, root, *_folders(root)]
    clips, problems = [], []
    for where, row in rows_of(path, problems, tagging, more):
        row["split"] = row.get("split") or split
        try:
            clip = clip_of(row, folders, root)
        except InputError as error:
            problems.append(f"{where}: {error}")
            continue
        clips.append({**clip, "where": f"{path.name}, {where}"})
    lost = not beside and any(MISSING in problem for problem in problems)
    refuse_all(str(path), problems, SOUNDS_ELSEWHERE if lost else "")
    return clips


def refuse_twice(clips, where):
    """Refuse clips that are listed twice.

    Arguments
    ---------
    clips : list of dict
        As ``read_clips`` returns them.
    where : os.PathLike
        For the error message.
    """
    first, problems = {}, []
    for clip in clips:
        for key in ("id", "wav"):
            part = clip["start"], clip["stop"]
            other = first.setdefault((key, clip[key], part), clip)
            if other is not clip:
                problems.append(
                    f"{clip['where']}: {key}={clip[key]} is that of "
                    f"{other['where']} too"
                )
                break
    refuse_all(str(where), problems, "Keep one of them.")


def _below(folder, root, split, tagging, look=True):
    """The clips of a folder by its tables, split folders or class folders."""
    tables = _tables_in(folder) if look else {}
    if tables:
        return [
            clip
            for path, of_name in tables.items()
            for clip in table_clips(path, root, tagging, of_name or split)
        ]
    inner = _folders(folder)
    splits = [p for p in inner if p.name.lower() in SPLIT_NAMES]
    if not splits or split:
        return _of_classes(inner, folder, root, split)
    if len(splits) < len(inner):
        others = [p.name for p in inner if p not in splits]
        raise InputError(
            f"{folder} has folders of splits, and others: "
            f"{', '.join(others[:5])}. Move these elsewhere."
        )
    return [
        c
        for p in splits
        for c in _below(p, root, split_of(p.name), tagging, look)
    ]


def _of_classes(folders, folder, root, split):
    if not folders:
        raise wrong_folder(str(folder), "labelled sounds", LAYOUTS)
    loose = [p.name for p in sorted(folder.iterdir()) if is_sound(p)]
    if loose:
        logger.warning(
            f"{folder}: {len(loose)} sounds are left out, as they lie in no "
            f"folder of a class, such as {loose[0]}"
        )
    hidden = [p.name for p in sorted(folder.glob("_[!_]*")) if p.is_dir()]
    if hidden:
        logger.warning(
            f"{folder}: left out, as their names begin with _: "
            f"{', '.join(hidden)}"
        )
    clips = []
    for inner in folders:
        for path in _sounds_of(inner, root):
            row = {"path": path, "labels": [inner.name], "split": split}
            clips.append({**clip_of(row, [root], root), "where": path})
    return clips


def _sounds_of(folder, root):
    try:
        return find_audio([folder])
    except InputError as error:
        files = (path for path in sorted(folder.iterdir()) if is_table(path))
        for path in filter(lists_clips, files):
            table = path.relative_to(root)
            raise InputError(f"{error}. Is it beside a table? --table={table}")
        raise


def _folders(folder):
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path for path in inner if not path.name.startswith((".", "_"))]


def _tables_in(folder):
    """Table -> split or None, of those that list the clips of a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    files = [p for p in files if p.name[0] not in "._" and is_table(p)]
    others = [p.name for p in files if not lists_clips(p)]
    if others:
        logger.warning(
            f"{folder}: {', '.join(others[:5])} are not read, for no column is "
            "called path or label or like them"
        )
    files = [p for p in files if p.name not in others]
    files = [p for p in files if p.stem.lower() == HUGGING_FACE] or files
    if len(files) < 2:
        return dict.fromkeys(files)
    tables = {path: split_of(path.stem) for path in files}
    if None in tables.values() or len(set(tables.values())) < len(files):
        raise InputError(
            f"{folder} has several tables of clips: "
            f"{', '.join(path.name for path in files)}. Name one: --table=..."
        )
    return tables
