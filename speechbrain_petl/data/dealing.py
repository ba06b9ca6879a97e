"""Clips to training, validation and test: as the data say, or dealt."""

from speechbrain.utils.logger import get_logger

from ..errors import InputError, refuse_all
from .splits import check_disjoint, deal, same_content

logger = get_logger(__name__)

IN_TRAINING = "valid", "test"  # what is dealt from training clips if missing


def split_clips(clips, folds=5, fold=1, seed=1, tagging=False):
    """The clips of each split, as the data say or dealt.

    Arguments
    ---------
    clips : list of dict
        As ``layouts.read_clips`` returns them.
    folds, fold : int
        As for ``prepare_labelled``.
    seed : int
        Another seed deals otherwise.
    tagging : bool
        Whether clips may have several labels: rare ones are no error then.

    Returns
    -------
    dict
        split -> list of dict.

    Example
    -------
    >>> from speechbrain_petl.data.layouts import read_clips
    >>> folder = getfixture("tmp_path")
    >>> for name in ("cat", "dog"):
    ...     (folder / name).mkdir()
    ...     for i in range(10):
    ...         _ = (folder / name / f"{i}.wav").write_text(f"{name} {i}")
    >>> clips = read_clips(folder)
    >>> {split: len(chosen) for split, chosen in split_clips(clips).items()}
    {'train': 12, 'valid': 4, 'test': 4}
    """
    copies = _copies(clips)
    splits = {name: [] for name in ("train", *IN_TRAINING)}
    without = [clip["where"] for clip in clips if not clip["split"]]
    if 0 < len(without) < len(clips):
        raise InputError(
            f"{without[0]} and {len(without) - 1} others name no split, the "
            "other clips do. Fill or drop the column."
        )
    for clip in clips:
        splits[clip["split"] or "train"].append(clip)
    missing = [name for name in IN_TRAINING if not splits[name]]
    if not splits["train"]:
        raise InputError("no clip is in the split train")
    if missing:
        pool = splits.pop("train")
        dealt = _deal(pool, copies, missing, folds, fold, seed, tagging)
        splits = {"train": dealt.pop("train"), **splits, **dealt}
        splits = {name: splits[name] for name in ("train", *IN_TRAINING)}
    elif fold != 1:
        raise InputError(f"fold={fold}: the data say themselves what is tested")
    check_splits(splits)
    return splits


def _copies(clips):
    """Lists of clips of the same content, which differ in name only."""
    groups = same_content({clip["wav"] for clip in clips})
    first = {path: group[0] for group in groups for path in group}
    found = {}
    for clip in clips:
        key = first.get(clip["wav"], clip["wav"]), clip["start"], clip["stop"]
        found.setdefault(key, []).append(clip)
    return [same for same in found.values() if len(same) > 1]


def _deal(pool, copies, missing, folds, fold, seed, tagging):
    """Training clips to training and what is missing."""
    if folds <= len(missing) or fold not in range(1, folds + 1):
        raise InputError(
            f"folds={folds}, fold={fold}: give {len(missing) + 1} folds or "
            "more, and one of them"
        )
    owners = _owners(pool, copies)
    _check_sizes(pool, owners, 1 + len(missing), folds, tagging)
    items = {
        clip["id"]: {"labels": clip["labels"], "group": owners[clip["id"]]}
        for clip in pool
    }
    parts = range(1, folds + 1)
    part_of = deal(items, dict.fromkeys(parts, 1 / folds), seed)
    name_of = dict.fromkeys(parts, "train")
    for number, name in enumerate(reversed(missing)):  # the test first
        name_of[(fold - 1 + number) % folds + 1] = name
    dealt = {name: [] for name in ("train", *missing)}
    for clip in pool:
        dealt[name_of[part_of[clip["id"]]]].append(clip)
    logger.info(
        f"{' and '.join(missing)}: dealt from {len(pool)} clips, fold {fold} of "
        f"{folds}, seed {seed}"
    )
    return dealt


def _owners(clips, copies):
    """Clip -> the name of those that must stay together."""
    owner = {clip["id"]: clip["group"] or clip["wav"] for clip in clips}
    for same in copies:
        names = {owner[clip["id"]] for clip in same if clip["id"] in owner}
        for key, name in owner.items():
            if name in names:
                owner[key] = min(names)
    return owner


def _check_sizes(clips, owners, splits, folds, tagging):
    """Name the classes that are too small to be divided."""
    groups = {}
    for clip in clips:
        for label in clip["labels"]:
            groups.setdefault(label, set()).add(owners[clip["id"]])
    what = "groups" if any(clip["group"] for clip in clips) else "clips"
    small = [
        f"{label} has {len(names)} {what}"
        for label, names in sorted(groups.items())
        if len(names) < (splits if not tagging else 1)
    ]
    drop = "drop the column of groups, " if what == "groups" else ""
    refuse_all(
        f"{splits} splits need {what} of their own of each class",
        small,
        f"Add some, leave the class out, {drop}or say in a column split what "
        "goes where.",
    )
    few = [label for label, names in groups.items() if len(names) < folds]
    if few:
        logger.warning(
            f"{len(few)} of {len(groups)} classes have fewer than {folds} "
            f"{what}, so that not every fold tests them: {', '.join(few[:10])}"
        )


def check_splits(splits):
    """Nobody, and no sound, is in two splits; every class is trained.

    Arguments
    ---------
    splits : dict
        split -> list of dict, as ``split_clips`` returns it.
    """
    copies = _copies([clip for chosen in splits.values() for clip in chosen])
    split_at = {c["id"]: s for s, chosen in splits.items() for c in chosen}
    problems = []
    for same in copies:
        splits_of = {split_at[clip["id"]]: clip["id"] for clip in same}
        if len(splits_of) > 1:
            named = " and ".join(f"{i} in {s}" for s, i in splits_of.items())
            problems.append(f"{named} are the same sound")
        elif len({tuple(clip["labels"]) for clip in same}) > 1:
            logger.warning(
                f"{same[0]['id']} and {same[1]['id']} are the same sound, "
                "with different labels"
            )
    refuse_all("splits", problems, "Keep each sound in one split.")
    grouped = {
        split: {c["id"]: c for c in chosen if c["group"]}
        for split, chosen in splits.items()
    }
    check_disjoint(grouped, "group", "Keep it in one split.")
    trained = {label for clip in splits["train"] for label in clip["labels"]}
    unknown = {
        label
        for split in IN_TRAINING
        for clip in splits[split]
        for label in clip["labels"]
    } - trained
    refuse_all(
        "classes without training clips",
        sorted(unknown),
        "Add some, or deal otherwise: --split_seed=2",
    )
