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
        plain = [name for name in known if "/" not in name]
        if not plain:
            raise InputError(
                f"--methods=all: no method is in {hparams} itself: add "
                f"--encoders=all, or name some of {', '.join(known)}"
            )
        return plain
    names = [
        name.removesuffix(".yaml") for name in split_words(wanted, "--methods")
    ]
    for name in names:
        if name not in known:
            raise InputError(
                f"--methods: there is no {hparams / name}.yaml."
                f"{did_you_mean(name, known)} It has: {', '.join(known)}"
            )
    return names


def axes_of(folds=None, seeds=None, shots=None, count=None):
    """What a sweep varies.

    Arguments
    ---------
    folds : str, optional
        Numbers from 1 on with commas between them, or "all".
    seeds : str, optional
        How many, from 1 on; or the numbers themselves with commas.
    shots : str, optional
        Training clips a class; "null" stands for all of them.
    count : int, optional
        How many folds the recipe has; None for a recipe without.

    Returns
    -------
    dict
        Yaml key -> its values.

    Example
    -------
    >>> axes_of("all", "2", count=3), axes_of("2,4", "4,7", count=5)
    ({'fold': [1, 2, 3], 'seed': [1, 2]}, {'fold': [2, 4], 'seed': [4, 7]})
    >>> axes_of(seeds="4,", shots="1,5,null")
    {'seed': [4], 'shots': [1, 5, 'null']}
    """
    axes = {}
    if folds:
        axes["fold"] = _fold_numbers(folds, count)
    if seeds:
        axes["seed"] = _seed_numbers(seeds)
    if shots:
        axes["shots"] = [
            word if word == "null" else _whole_numbers(word, "--shots")[0]
            for word in split_words(shots, "--shots")
        ]
    return axes


def _fold_numbers(wanted, count):
    if count is None:
        raise InputError(
            f"--folds={wanted}: this recipe has no folds (its {BASE} says "
            "`folds: ...` under `result` if it has)"
        )
    if wanted == "all":
        return list(range(1, count + 1))
    numbers = _whole_numbers(wanted, "--folds")
    if max(numbers) > count:
        raise InputError(
            f"--folds={wanted}: there are folds 1 to {count}, or all"
        )
    return numbers


def _seed_numbers(wanted):
    numbers = _whole_numbers(wanted, "--seeds")
    if "," in wanted:
        return numbers
    if numbers[0] > MOST_SEEDS:
        raise InputError(
            f"--seeds={wanted} means 1 to {wanted}, which is more than "
            f"{MOST_SEEDS}: for seed {wanted} alone write --seeds={wanted},"
        )
    return list(range(1, numbers[0] + 1))


def split_words(text, option):
    """The words between commas, each of which may come once.

    Arguments
    ---------
    text, option : str
        What was given, and to what.

    Returns
    -------
    list of str
        At least one.

    Example
    -------
    >>> split_words("lora, linear", "--methods")
    ['lora', 'linear']
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or len(set(words)) < len(words):
        raise InputError(f"{option}={text}: give each value once, as in a,b,c")
    return words


def _whole_numbers(text, option):
    words = split_words(text, option)
    if not all(re.fullmatch("[1-9][0-9]*", word) for word in words):
        raise InputError(f"{option}={text}: give whole numbers from 1 on")
    return [int(word) for word in words]
