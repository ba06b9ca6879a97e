"""What a search may choose from: ``lr=1e-4:1e-2:log`` or ``batch_size=8,16``."""

import re
from dataclasses import dataclass

from ...errors import InputError

HOW = "write KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C"


@dataclass(frozen=True)
class Range:
    """The values that a yaml key may take.

    Arguments
    ---------
    key : str
        Of base.yaml.
    choices : tuple of str
        In yaml; or empty.
    low : float
        If there are no choices: the least value; an int if the key's values
        are whole numbers.
    high : float
        The greatest.
    log : bool
        Whether 1 to 10 is as wide as 10 to 100.
    """

    key: str
    choices: tuple = ()
    low: float = 0
    high: float = 0
    log: bool = False

    def suggest(self, trial):
        """A value for a trial (str, int or float), which Optuna chooses."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if isinstance(self.low, int):
            return trial.suggest_int(
                self.key, self.low, self.high, log=self.log
            )
        return trial.suggest_float(self.key, self.low, self.high, log=self.log)

    @property
    def ends(self):
        """All choices, or the least and the greatest value (tuple)."""
        return self.choices or (self.low, self.high)


def parse_range(text):
    """A range from the command line.

    Arguments
    ---------
    text : str
        ``KEY=LOW:HIGH``, ``KEY=LOW:HIGH:log`` or ``KEY=A,B,C``.

    Returns
    -------
    Range
        The range.

    Example
    -------
    >>> parse_range("lr=1e-4:1e-2:log")
    Range(key='lr', choices=(), low=0.0001, high=0.01, log=True)
    >>> parse_range("epochs=5:20").low, parse_range("batch_size=8,16").choices
    (5, ('8', '16'))
    """
    key, _, values = text.partition("=")
    if not re.fullmatch(r"\w+", key) or not values:
        raise InputError(f"--range {text}: {HOW}")
    choices = tuple(_split(values))
    if len(choices) > 1 or ":" not in values:
        if len(set(choices)) < max(2, len(choices)) or not all(choices):
            raise InputError(f"--range {text}: give two or more values")
        return Range(key, choices)
    low, high, *log = values.split(":")
    low, high = _number(low, text), _number(high, text)
    if log not in ([], ["log"]) or low >= high or (log and low <= 0):
        raise InputError(
            f"--range {text}: {HOW}, with LOW less than HIGH and, for log, "
            "more than 0"
        )
    if isinstance(low, float) or isinstance(high, float):
        low, high = float(low), float(high)
    return Range(key, (), low, high, bool(log))


def _split(values):
    """What stands between commas, but for those inside of brackets.

    >>> list(_split("[32, 2], {a: 1, b: 2},null"))
    ['[32, 2]', '{a: 1, b: 2}', 'null']
    """
    start = depth = 0
    for place, letter in enumerate(f"{values},"):
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0:
            yield values[start:place].strip()
            start = place + 1


def _number(word, text):
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    raise InputError(f"--range {text}: {word!r} is no number; {HOW}")
