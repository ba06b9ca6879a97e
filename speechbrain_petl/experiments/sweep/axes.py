"""What the axes of a sweep mean: methods, folds, seeds and shots."""

import re
from pathlib import Path

from ...errors import InputError, did_you_mean
from ...recipe.method_files import BASE

MOST = 10_000  # runs of a sweep: each is checked before the first starts
MOST_SEEDS = 1000  # a larger number is one seed without its comma


def method_names(hparams, wanted):
    """The method files that a sweep names.

    Arguments
    ---------
    hparams : str
        The folder of the method files.
    wanted : str
        Names with commas between them, or "all": those in the folder itself.

    Returns
    -------
    list of str
        Paths below the folder, without ``.yaml``.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("base", "lora", "linear"):
    ...     _ = (folder / f"{name}.yaml").write_text("")
    >>> method_names(folder, "all"), method_names(folder, "lora")
    (['linear', 'lora'], ['lora'])
    """
    hparams = Path(hparams)
    known = sorted(
        path.relative_to(hparams).with_suffix("").as_posix()
        for path in hparams.rglob("*.yaml")
        if path.name != BASE
    )
    if wanted == "all":
        return [name for name in known if "/" not in name]
    names = [name.removesuffix(".yaml") for name in split(wanted, "--methods")]
    for name in names:
        if name not in known:
            raise InputError(
                f"--methods: there is no {hparams / name}.yaml."
                f"{did_you_mean(name, known)} It has: {', '.join(known)}"
            )
    return names


def fold_numbers(wanted, count):
    """The folds that a sweep names.

    Arguments
    ---------
    wanted : str
        Numbers with commas between them, or "all".
    count : int
        How many folds the recipe has; None for a recipe without.

    Returns
    -------
    list of int
        From 1 on.

    Example
    -------
    >>> fold_numbers("all", 5), fold_numbers("2,4", 5)
    ([1, 2, 3, 4, 5], [2, 4])
    """
    if count is None:
        raise InputError(
            f"--folds={wanted}: this recipe has no folds (its {BASE} says "
            "`folds: ...` under `result` if it has)"
        )
    if wanted == "all":
        return list(range(1, count + 1))
    numbers = whole_numbers(wanted, "--folds")
    for number in numbers:
        if number > count:
            raise InputError(
                f"--folds={wanted}: there are folds 1 to {count}, or all"
            )
    return numbers


def seed_numbers(wanted):
    """The seeds that a sweep names.

    Arguments
    ---------
    wanted : str
        How many, from 1 on; or the numbers themselves with commas.

    Returns
    -------
    list of int
        The seeds.

    Example
    -------
    >>> seed_numbers("3"), seed_numbers("4,7"), seed_numbers("4,")
    ([1, 2, 3], [4, 7], [4])
    """
    numbers = whole_numbers(wanted, "--seeds")
    if "," not in wanted and numbers[0] > MOST_SEEDS:
        raise InputError(
            f"--seeds={wanted} means 1 to {wanted}, which is more than "
            f"{MOST_SEEDS}: for seed {wanted} alone write --seeds={wanted},"
        )
    return numbers if "," in wanted else list(range(1, numbers[0] + 1))


def shot_numbers(wanted):
    """The numbers of training clips a class that a sweep names.

    Arguments
    ---------
    wanted : str
        Numbers with commas between them; "null" stands for all clips.

    Returns
    -------
    list
        Of int and "null".

    Example
    -------
    >>> shot_numbers("1,5,null")
    [1, 5, 'null']
    """
    words = split(wanted, "--shots")
    return [w if w == "null" else whole_numbers(w, "--shots")[0] for w in words]


def split(text, option):
    """The words between the commas of an option's value.

    Arguments
    ---------
    text : str
        The value.
    option : str
        For the error message.

    Returns
    -------
    list of str
        Each word once, in their order.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or len(set(words)) < len(words):
        raise InputError(f"{option}={text}: give each value once, as in a,b,c")
    return words


def whole_numbers(text, option):
    """The numbers from 1 on between the commas of an option's value.

    Arguments
    ---------
    text : str
        The value.
    option : str
        For the error message.

    Returns
    -------
    list of int
        The numbers.
    """
    words = split(text, option)
    if not all(re.fullmatch("[1-9][0-9]*", word) for word in words):
        raise InputError(f"{option}={text}: give whole numbers from 1 on")
    return [int(word) for word in words]
