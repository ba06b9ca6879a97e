"""What a reader must know of the runs behind a mean."""

from collections import Counter

from ...inference.escaping import in_code, quoted
from .settings import differences, shorten

# in which methods differ by nature
BY_NATURE = {"method", "trainable_parameters", "total_parameters"}


def notes_of(row):
    """What is odd about the runs of a row.

    Arguments
    ---------
    row : Row
        A method's runs.

    Returns
    -------
    list of str
        A note for each.
    """
    checks = _duplicates, _incomplete, _not_finite, _mixed
    return [note for check in checks for note in check(row)]


def _duplicates(row):
    """Cells that have two runs."""
    notes = []
    for cell, runs in _ordered(row.cells):
        if len(runs) > 1:
            names = ", ".join(quoted(run.name) for run in runs)
            others = differences([run.settings for run in runs if run.known])
            unlike = (
                f" (they differ in {in_code(', '.join(others))})"
                if others
                else ""
            )
            notes.append(
                f"{_name_of(cell)} ran {len(runs)} times, so none of "
                f"{names} counts{unlike}: keep one"
            )
    return notes


def _incomplete(row):
    """Folds that are missing, or that should not be there."""
    if row.folds is None:
        return []
    have = {}
    for run in row.runs:
        fold, *others = run.key("fold", "split_seed", "seed")
        have.setdefault(tuple(others), set()).add(fold)
    for _, *others in row.cells:
        have.setdefault(tuple(others), set())
    wanted = set(range(1, row.folds + 1))
    notes, lacking = [], {}
    for others, folds in sorted(have.items(), key=str):
        where = _name_of((None, *others))
        if wanted - folds:
            missing = ", ".join(str(fold) for fold in sorted(wanted - folds))
            lacking.setdefault(missing, []).append(where)
        if folds - wanted:
            odd = ", ".join(sorted(str(fold) for fold in folds - wanted))
            notes.append(f"fold {odd} of {where} is none of 1 to {row.folds}")
    for missing, all_of in lacking.items():
        notes.append(
            f"incomplete, {'; '.join(all_of)}: without fold {missing} of "
            f"{row.folds}"
        )
    return notes


def _not_finite(row):
    """Metrics that are no finite number and so are in no mean."""
    names = {name for run in row.runs for name in run.result["metrics"]}
    notes = []
    for name in sorted(names):
        without = [quoted(r.name) for r in row.runs if r.metric(name) is None]
        if without:
            notes.append(
                f"the mean of {in_code(name)} is without {', '.join(without)}, where it "
                "is no finite number"
            )
    return notes


def _mixed(row):
    """Settings in which the runs of a mean differ, or are not known."""
    known = [run for run in row.runs if run.known]
    notes = []
    for key, values in differences([r.settings for r in known]).items():
        counts = sorted(Counter(shorten(value) for value in values).items())
        parts = [f"{value} in {count}" for value, count in counts]
        notes.append(in_code(f"the runs differ in {key}: {', '.join(parts)}"))
    unknown = [quoted(run.name) for run in row.runs if not run.known]
    if unknown:
        notes.append(f"without a hyperparams.yaml: {', '.join(unknown)}")
    return notes


def compare_rows(rows, of_methods):
    """Settings that make a comparison of methods unfair.

    Arguments
    ---------
    rows : list of Row
        Of a table.
    of_methods : set of str
        Settings in which methods may differ.

    Returns
    -------
    list of str
        A note for each setting.
    """
    free = BY_NATURE | {"shots"} | set(of_methods)
    runs = [(row, r) for row in rows for r in row.runs if r.known]
    notes = []
    for key, values in differences([r.settings for _, r in runs]).items():
        if key.split(".")[0] in free:
            continue
        names = {}
        for value, (row, _) in zip(values, runs):
            names.setdefault(shorten(value), set()).add(row.name)
        if len({frozenset(of) for of in names.values()}) == 1:
            continue  # each row says it of itself
        parts = [f"{v} ({', '.join(sorted(names[v]))})" for v in sorted(names)]
        notes.append(in_code(f"the rows differ in {key}: {'; '.join(parts)}"))
    return notes


def _name_of(cell):
    """A cell in words.

    >>> _name_of((2, None, 1))
    'fold 2, seed 1'
    """
    names = ("fold", "split seed", "seed")
    words = [f"{n} {v}" for n, v in zip(names, cell) if v is not None]
    return ", ".join(words) or "the only cell"


def _ordered(cells):
    return sorted(cells.items(), key=lambda item: str(item[0]))
