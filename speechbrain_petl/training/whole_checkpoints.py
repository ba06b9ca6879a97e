"""Which checkpoints of a killed run can be gone on from.

Unfinished ones are deleted, damaged ones named and set aside. The run goes on
from the newest one whose predecessors, as far as the test wants them, are
whole: what it repeats, it repeats exactly.
"""

import json
import shutil
from pathlib import Path

import yaml

from speechbrain.utils.checkpoints import METAFNAME
from speechbrain.utils.logger import get_logger

from ..data.checksums import damaged_files
from .checkpoints import LAST_RECOVERABLE
from .record import RECORD, split_record

logger = get_logger(__name__)

UNREADABLE = (OSError, ValueError, KeyError, TypeError, yaml.YAMLError)
ASIDE = "damaged_"  # before the name of a checkpoint that is left


def tidy_checkpoints(folder, select=None, keep=1):
    """Leave the checkpoints that are whole, in today's form.

    Arguments
    ---------
    folder : str
        Of the checkpoints.
    select : str, optional
        The validation value that selects the epochs to be tested.
    keep : int
        How many of the best, or last, epochs will be tested.
    """
    whole, broken = [], []
    for checkpoint in sorted(Path(folder).glob("CKPT+*"), key=_age):
        reason = _what_is_wrong(checkpoint)
        if reason:
            broken.append((checkpoint, reason))
        else:
            whole.append(checkpoint)
    while broken and whole and _lacks(whole, select, keep):
        newest = whole.pop()
        broken.append((newest, {"what it goes on from": "damaged"}))
    # the newest first: one that is killed here starts with the same question
    for checkpoint, reason in sorted(broken, key=lambda b: -_age(b[0])):
        _put_away(checkpoint, reason)
    if broken:
        last = whole[-1] if whole else "its start"
        logger.warning(f"the run goes on from {last}")


def _age(checkpoint):
    """When it was written; one that cannot tell is among the oldest."""
    try:
        return float(_meta(checkpoint)["unixtime"])
    except UNREADABLE:
        return 0.0


def _what_is_wrong(checkpoint):
    """Name of a file -> "missing" or "altered"; empty for a whole one."""
    if not (checkpoint / f"{LAST_RECOVERABLE}.ckpt").is_file():
        return {LAST_RECOVERABLE: "missing"}
    if not (checkpoint / METAFNAME).is_file():
        return {METAFNAME: "missing"}
    damaged = damaged_files(checkpoint)
    if damaged:
        return damaged
    try:  # without checksums, as version 0.1 wrote it, this is known alone
        split_record(checkpoint)
        _history(checkpoint)
        float(_meta(checkpoint)["unixtime"])
    except UNREADABLE as error:
        return {f"a file ({type(error).__name__})": "altered"}
    return {}


def _lacks(whole, select, keep):
    """Whether an epoch that the newest would test has no whole checkpoint."""
    history = _history(whole[-1])
    if select:
        history = sorted(
            history, key=lambda e: (e["valid"][select], e["epoch"])
        )
    wanted = {entry["epoch"] for entry in history[-keep:]}
    return bool(wanted - {_meta(c).get("epoch") for c in whole})


def _history(checkpoint):
    path = checkpoint / f"{RECORD}.ckpt"
    return json.loads(path.read_text(encoding="utf-8"))["history"]


def _meta(checkpoint):
    return yaml.safe_load((checkpoint / METAFNAME).read_text(encoding="utf-8"))


def _put_away(checkpoint, reason):
    """Delete what was not written, or deleted, to its end; leave the rest."""
    if set(reason.values()) == {"missing"}:
        logger.warning(f"{checkpoint} is not complete: deleting it")
        shutil.rmtree(checkpoint)
        return
    what = ", ".join(f"{name} is {how}" for name, how in reason.items())
    aside = checkpoint.with_name(f"{ASIDE}{checkpoint.name}")
    logger.warning(f"{checkpoint} is left as {aside.name}: {what}")
    if aside.exists():
        shutil.rmtree(aside)
    checkpoint.rename(aside)
