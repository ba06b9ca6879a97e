"""IEMOCAP: emotion in 12 hours of acted dialogues of 10 speakers.

C. Busso et al., "IEMOCAP: Interactive emotional dyadic motion capture
database", Language Resources and Evaluation 42, 2008,
https://sail.usc.edu/iemocap. Five sessions of a woman and a man; 10 039 turns,
16 kHz. Licence: for research, by request at the address above.

The task has four classes, 5531 turns: 1708 neutral, 1636 happy (happy and
excited), 1084 sad, 1103 angry. Ten folds, each leaves one speaker out to test
on; the other speaker of the session validates, so that the rest, to train on,
has not been in one conversation with either.

Official layout, N = 1 to 5::

    IEMOCAP_full_release/SessionN/dialog/EmoEvaluation/Ses0N*.txt
    IEMOCAP_full_release/SessionN/sentences/wav/<dialog>/<turn>.wav

A turn of the first kind of file is a line such as::

    [6.2901 - 8.2357] < tab > Ses01F_impro01_F000 < tab > neu < tab > [
        2.5000,
        ...,
    ]

Its speaker is told by the letter before the last number; that of ``Ses01F`` is
the actor who wore the markers. The annotators' own lines follow it.

Authors
 * the speechbrain_petl developers, 2026
"""

import os
import re
from collections import Counter

from speechbrain_petl import InputError
from speechbrain_petl.data.releases import find_release, write_manifests
from speechbrain_petl.data.tables import listed_file

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

ROOT = "IEMOCAP_full_release"
SESSIONS = range(1, 6)
SPEAKERS = [f"Ses0{n}{sex}" for n in SESSIONS for sex in "FM"]
LABELS = {
    "neu": "neutral",
    "hap": "happy",
    "exc": "happy",
    "sad": "sad",
    "ang": "angry",
}
LEFT_OUT = ("dis", "fea", "fru", "oth", "sur", "xxx")  # xxx: no majority
TURNS = {"neutral": 1708, "happy": 1636, "sad": 1084, "angry": 1103}
LINE = re.compile(r"\[[\d.]+ - [\d.]+\]\t(?P<turn>\S+)\t(?P<code>\S+)\t\[.+\]")
TURN = re.compile(r"(?P<dialog>(?P<session>Ses\d\d)[FM]_.+)_(?P<sex>[FM])\w+")


def prepare_iemocap(data_folder, save_folder, fold=1):
    """Write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str
        The folder IEMOCAP_full_release, or the one that holds it.
    save_folder : str
        Where to write the manifests.
    fold : int
        1 to 10, the speaker to test on: Ses01F, Ses01M, Ses02F, ...

    Returns
    -------
    dict
        split -> path of its manifest.
    """
    if fold not in range(1, len(SPEAKERS) + 1):
        raise InputError(
            f"fold={fold} does not exist: IEMOCAP has {len(SPEAKERS)} "
            "speakers, folds 1 to 10"
        )
    parts = [_labels_of("", session) for session in SESSIONS]
    remedy = f"Give the folder {ROOT} of the official release, see README.md."
    root = find_release(data_folder, ROOT, parts, remedy)
    turns = {}
    for session in SESSIONS:
        turns.update(_read_session(root, session))
    _check_counts(turns, root)
    return write_manifests(save_folder, _splits(turns, fold))


def _splits(turns, fold):
    test = SPEAKERS[fold - 1]
    valid = next(s for s in SPEAKERS if s[:-1] == test[:-1] and s != test)
    splits = {"train": {}, "valid": {}, "test": {}}
    of = {valid: "valid", test: "test"}
    for key, turn in sorted(turns.items()):
        splits[of.get(turn["speaker"], "train")][key] = turn
    return splits


def _labels_of(root, session):
    return os.path.join(root, f"Session{session}", "dialog", "EmoEvaluation")


def _read_session(root, session):
    """id -> manifest entry of the turns of a session with one of the labels."""
    folder, turns, seen = _labels_of(root, session), {}, set()
    names = sorted(os.listdir(folder))
    # the release has the remains of a Mac, such as ._Ses01F_impro01.txt
    names = [n for n in names if n.endswith(".txt") and not n.startswith(".")]
    if not names:
        raise InputError(
            f"{folder} has no *.txt: unpack the official release again"
        )
    for name in names:
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if not line.startswith("["):
                    continue
                place = f"{path}, line {number}"
                key, turn = _read_line(root, session, line, place)
                if key in seen:
                    raise InputError(f"{place}: {key} is listed twice")
                seen.add(key)
                if turn:
                    turns[key] = turn
    return turns


def _read_line(root, session, line, place):
    """The id of a turn and its manifest entry; None if it is left out."""
    match = LINE.fullmatch(line.strip())
    turn = TURN.fullmatch(match["turn"]) if match else None
    if not turn or turn["session"] != f"Ses0{session}":
        raise InputError(
            f"{place}: {line.strip()!r} is not `[start - end]<tab>Ses0"
            f"{session}F_impro01_F000<tab>neu<tab>[v, a, d]`. Unpack the "
            "official release again."
        )
    key, code = match["turn"], match["code"]
    if code in LEFT_OUT:
        return key, None
    if code not in LABELS:
        raise InputError(
            f"{place}: {code!r} is none of the emotions "
            f"{', '.join((*LABELS, *LEFT_OUT))}. Unpack the official release "
            "again."
        )
    folder = os.path.join(root, f"Session{session}", "sentences", "wav")
    wav = listed_file(place, folder, f"{turn['dialog']}/{key}.wav")
    speaker = turn["session"] + turn["sex"]
    label = LABELS[code]
    return key, {"wav": wav, "label": label, "code": code, "speaker": speaker}


def _check_counts(turns, root):
    for speaker in SPEAKERS:
        found = {t["label"] for t in turns.values() if t["speaker"] == speaker}
        absent = [label for label in TURNS if label not in found]
        if absent:
            raise InputError(
                f"{root}: speaker {speaker} has no turn that is "
                f"{' or '.join(absent)}. Unpack the official release again."
            )
    found = Counter(turn["label"] for turn in turns.values())
    if found != TURNS:
        listed = ", ".join(f"{found[k]} {k}" for k in TURNS)
        logger.warning(
            f"{root} has {listed} turns, the official release has "
            f"{', '.join(f'{n} {k}' for k, n in TURNS.items())}: results are "
            "not comparable with published ones"
        )
