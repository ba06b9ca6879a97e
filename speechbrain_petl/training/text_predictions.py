"""What a decoder said of each test clip, for predictions.csv."""

from ..errors import InputError
from ..lobes.augment import Mixup
from .predictions import Predictions


class TextPredictions(Predictions):
    """What a decoder said of each clip: texts.

    Arguments
    ---------
    decode : callable
        Maps symbols (symbol,) up to the end of the sequence to a text.

    Example
    -------
    >>> rows = TextPredictions(lambda symbols: " ".join(map(str, symbols)))
    >>> rows.add(["a", "b"], [[3, 4], [3]], [[3, 5], "3"])
    >>> rows.table().values.tolist()
    [['a', '3 5', '3 4'], ['b', '3', '3']]
    """

    has_probabilities = False

    def __init__(self, decode):
        super().__init__()
        self.decode = decode

    def add(self, ids, emitted, targets):
        """Note a batch: symbols of each clip, emitted and true, or its text."""
        for name, said, true in zip(ids, emitted, targets):
            self.logits[name] = [self.decode(said)]
            known = isinstance(true, str)
            self.targets[name] = true if known else self.decode(true)

    def table(self, labels=None, activation=None, temperature=1.0):
        """Columns id, label and predicted; one row for each clip."""
        import pandas

        rows = {
            "id": self.ids(),
            "label": [self.targets[name] for name in self.ids()],
            "predicted": [self.logits[name][0] for name in self.ids()],
        }
        return pandas.DataFrame(rows)


def refuse_mixup(modules):
    """Mixup mixes targets, and texts cannot be mixed.

    Arguments
    ---------
    modules : dict
        Name -> module, of a recipe.

    Example
    -------
    >>> refuse_mixup({"augment": Mixup()})
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: augment: Mixup mixes targets, ...
    """
    for name, module in modules.items():
        if any(isinstance(part, Mixup) for part in module.modules()):
            raise InputError(
                f"{name}: Mixup mixes targets, and texts cannot be mixed: "
                "leave it out, or use a recipe that classifies"
            )
