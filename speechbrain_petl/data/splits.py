"""What no two splits of a data set may share."""

import os
import random
from collections import Counter

from ..errors import refuse_all
from .checksums import sha256_of

_HEAD = 1 << 16  # bytes


def check_disjoint(splits, key, remedy):
    """Refuse splits that share a speaker, a recording, a song.

    Arguments
    ---------
    splits : dict
        split -> its manifest entries: id -> {key: ..., ...}. An entry without
        the key belongs to nobody.
    key : str
        The value that may not be in two splits.
    remedy : str
        What the user can do about it: the end of the message.

    Example
    -------
    >>> train = {"a": {"speaker": "Ann"}, "b": {"speaker": "Bob"}}
    >>> test = {"c": {"speaker": "Bob"}}
    >>> check_disjoint({"train": train, "test": test}, "speaker", "Mend it.")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: splits: speaker Bob is in train (b) and in test (c). Mend it.
    """
    owners, problems = {}, {}
    for split, items in splits.items():
        for name, item in sorted(items.items()):
            if key not in item:
                continue
            first, clip = owners.setdefault(item[key], (split, name))
            if first != split:
                problems.setdefault(
                    item[key],
                    f"{key} {item[key]} is in {first} ({clip}) and in {split} "
                    f"({name})",
                )
    refuse_all("splits", list(problems.values()), remedy)


def deal(clips, ratios, seed):
    """Deal clips out, groups undivided and each label in proportion.

    Greedy, as iterative stratification (https://doi.org/10.1007/
    978-3-642-23808-6_10): a group goes where the least of its labels is yet,
    those of the rarest label first. So every part has a label of which there
    are enough groups.

    Arguments
    ---------
    clips : dict
        Clip -> {"labels": list of str, "group": str}
    ratios : dict
        Part -> its fraction of the clips.
    seed : int
        Another seed deals otherwise.

    Returns
    -------
    dict
        Clip -> its part.

    Example
    -------
    >>> clips = {
    ...     i: {"labels": ["ab"[i % 2]], "group": str(i // 4)}
    ...     for i in range(16)
    ... }
    >>> part_of = deal(clips, {"train": 0.5, "valid": 0.25, "test": 0.25}, 1)
    >>> Counter(part_of.values()).most_common()
    [('train', 8), ('valid', 4), ('test', 4)]
    """
    groups, total = {}, Counter()
    for key in sorted(clips):
        groups.setdefault(clips[key]["group"], []).append(key)
        total.update(clips[key]["labels"])
    labels_of = {
        name: Counter(label for key in keys for label in clips[key]["labels"])
        for name, keys in groups.items()
    }

    def rank(name):
        """Rare labels first, then large groups; of like size by chance."""
        rarest = min(total[label] for label in labels_of[name])
        return rarest.bit_length(), -len(groups[name]).bit_length()

    order = sorted(groups)
    random.Random(seed).shuffle(order)
    filled = {part: Counter() for part in ratios}
    part_of = {}
    for name in sorted(order, key=rank):

        def fill(part, labels=labels_of[name]):
            """How full of these labels a part is; of like ones the largest."""
            full = sum(filled[part][x] / total[x] for x in labels)
            return round(full / ratios[part], 6), -ratios[part]

        part = min(ratios, key=fill)
        filled[part].update(labels_of[name])
        part_of |= dict.fromkeys(groups[name], part)
    return part_of


def same_content(paths):
    """The files that are copies of each other, whatever their names.

    Arguments
    ---------
    paths : iterable of str
        The files.

    Returns
    -------
    list of list of str
        Two or more of one content, sorted.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name, text in zip("abc", ("one", "two", "one")):
    ...     _ = (folder / name).write_text(text)
    >>> [
    ...     [os.path.basename(p) for p in g]
    ...     for g in same_content(folder.iterdir())
    ... ]
    [['a', 'c']]
    """
    groups = [sorted(set(paths))]
    for key in (os.path.getsize, _head, sha256_of):  # few are read whole
        divided = []
        for group in groups:
            of_key = {}
            for path in group:
                of_key.setdefault(key(path), []).append(path)
            divided += [same for same in of_key.values() if len(same) > 1]
        groups = divided
    return groups


def _head(path):
    with open(path, "rb") as file:
        return file.read(_HEAD)
