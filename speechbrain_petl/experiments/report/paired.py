"""Methods compared run by run: each against the probe and full fine-tuning."""

from itertools import combinations
from statistics import mean, stdev

REFERENCES = ("linear", "full")
FEWEST = 3  # folds in common, or seeds of one


def differences_from(row, table):
    """How much better a row is than the references of its table.

    Runs of the same fold and seed are compared, see ``steps_of``. The runs of
    folds share most of their training clips, so the variance of the mean is
    corrected as by Nadeau and Bengio
    (https://doi.org/10.1023/A:1024068626366); where clips are drawn by shots
    it is not.

    Arguments
    ---------
    row : Row
        A method.
    table : Table
        All methods.

    Returns
    -------
    dict
        Name of a reference -> mean difference and p of a two-sided paired
        t test, as ``p_value`` has it (tuple); without those that have too few
        folds, or seeds, in common, and without the row itself.
    """
    found = {}
    for name in REFERENCES:
        other = _reference(name, row, table)
        if other is None or other is row:
            continue
        values = steps_of(pairs_of(row, other, table.select))
        if len(values) >= FEWEST:
            found[name] = mean(values), p_value(values, row.runs[0].result)
    return found


def _reference(name, row, table):
    """The row of a reference with as many shots."""
    for other in table.rows:
        words = other.method.rpartition("/")
        if words[2] == name and words[0] == row.method.rpartition("/")[0]:
            if other.shots == row.shots:
                return other
    return None


def pairs_of(row, other, metric):
    """The values of two rows in the cells that both have once.

    Arguments
    ---------
    row, other : Row
        Two methods.
    metric : str
        Of the test.

    Returns
    -------
    dict
        Cell -> the row's and the other's (tuple of float), of the same fold
        and seed.
    """
    ours, theirs = (
        {
            cell: runs[0].metric(metric)
            for cell, runs in one.cells.items()
            if len(runs) == 1 and runs[0].metric(metric) is not None
        }
        for one in (row, other)
    )
    return {cell: (ours[cell], theirs[cell]) for cell in ours if cell in theirs}


def steps_of(pairs):
    """What a t test takes: a difference for each fold, the mean of its seeds.

    The seeds of a fold are tested on the same clips, and are no runs of their
    own to a test of folds. Of one fold, a difference for each seed.

    Arguments
    ---------
    pairs : dict
        As ``pairs_of`` returns them.

    Returns
    -------
    list of float
        Positive where the row is better.

    Example
    -------
    >>> steps_of({(1, 0, 1): (5, 3), (1, 0, 2): (5, 5), (2, 0, 1): (4, 5)})
    [1, -1]
    >>> steps_of({(1, 0, 1): (5, 3), (1, 0, 2): (5, 5)})
    [2, 0]
    """
    folds = {}
    for (*fold, _), (ours, theirs) in pairs.items():
        folds.setdefault(tuple(fold), []).append(ours - theirs)
    if len(folds) > 1:
        return [mean(steps) for steps in folds.values()]
    return [step for steps in folds.values() for step in steps]


def p_value(values, result):
    """p of a two-sided t test that differences of pairs are none in the mean.

    Arguments
    ---------
    values : list of float
        Two or more.
    result : dict
        Of one of the runs: its folds, shots and history say how many clips
        are tested for each that is trained on, see ``differences_from``.

    Returns
    -------
    float
        0 to 1; None where all differences are the same, but not 0: they say
        nothing of how far others would scatter.

    Example
    -------
    >>> round(p_value([1.0, 2.0, 3.0], {}), 3)
    0.074
    >>> round(p_value([1.0, 2.0, 3.0], {"folds": 5}), 3)
    0.12
    """
    from scipy.stats import t

    spread = stdev(values)
    if not spread:
        return None if any(values) else 1.0
    scale = spread * (1 / len(values) + _tested(result)) ** 0.5
    return float(2 * t.sf(abs(mean(values)) / scale, len(values) - 1))


def signed(difference, digits):
    """A mean difference, for the cell of a table; none has no minus.

    Example
    -------
    >>> signed(2.25, 1), signed(-1e-9, 1)
    ('+2.2', '+0.0')
    """
    return f"{round(difference, digits) + 0.0:+.{digits}f}"


def p_text(p):
    """What ``p_value`` returned, for the cell of a table.

    Example
    -------
    >>> p_text(0.0371), p_text(0.0001), p_text(None)
    ('0.037', '< 0.001', '-')
    """
    if p is None:
        return "-"
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def _tested(result):
    """Clips tested for each trained on, where folds share the latter, or 0."""
    folds = result.get("folds")
    if not folds or folds < 2 or result.get("shots") is not None:
        return 0
    history = result.get("history") or [{}]
    validating = "valid" in history[-1]  # one of the folds
    return 1 / max(1, folds - 1 - validating)


def rank_correlation(table):
    """How far the cells of a table agree on the order of the methods.

    Arguments
    ---------
    table : Table
        The methods.

    Returns
    -------
    float
        Mean Spearman correlation over all pairs of cells that every row has
        once; None for fewer than two of those, or fewer than three rows.
    """
    from scipy.stats import spearmanr

    counted = [
        {cell for cell, runs in row.cells.items() if len(runs) == 1}
        for row in table.rows
    ]
    cells = set.intersection(*counted) if counted else set()
    columns = [
        [row.cells[cell][0].metric(table.select) for row in table.rows]
        for cell in sorted(cells, key=str)
    ]
    columns = [c for c in columns if None not in c and len(set(c)) > 1]
    if len(columns) < 2 or len(table.rows) < FEWEST:
        return None
    found = [spearmanr(a, b).statistic for a, b in combinations(columns, 2)]
    return float(mean(found))
