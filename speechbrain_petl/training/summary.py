"""What a finished run says last: its figures for people, and its files."""

from pathlib import Path

from ..weights.adapter_files import weights_beside
from .predictions import predictions_beside

NO_RATIO = {"loss", "d_prime"}


def summary(result, path):
    """The figures of a run as a table, and the paths of what it wrote.

    Arguments
    ---------
    result : dict
        What is in its result.json.
    path : str or os.PathLike
        Of that file.

    Returns
    -------
    str
        Some lines.

    Example
    -------
    >>> result = {
    ...     "dataset": "pets",
    ...     "method": "lora",
    ...     "metrics": {"loss": 0.21, "accuracy": 0.935},
    ...     "history": [{"epoch": 1, "valid": {"loss": 0.3, "accuracy": 0.9}}],
    ...     "tested_epoch": 1,
    ...     "tested_on": "test",
    ...     "trainable_parameters": 1536,
    ...     "total_parameters": 300000,
    ...     "seconds": 83.0,
    ... }
    >>> print(summary(result, "results/result.json"))
    pets, lora: 1,536 of 300,000 parameters trained in 83 s
                     valid      test
    loss            0.3000    0.2100
    accuracy        90.0 %    93.5 %
    written: results/result.json
    """
    tested, name = result["tested_epoch"], result["tested_on"]
    valid = next(
        (e.get("valid") for e in result["history"] if e.get("epoch") == tested),
        None,
    )
    lines = [
        f"{result['dataset']}, {result['method']}: "
        f"{result['trainable_parameters']:,} of "
        f"{result['total_parameters']:,} parameters trained in "
        f"{result['seconds']:.0f} s"
    ]
    columns = {"valid": valid} if valid and name != "valid" else {}
    columns[name] = result["metrics"]
    lines.append(" " * 12 + "".join(f"{c:>10}" for c in columns))
    for metric in result["metrics"]:
        cells = [shown(metric, c.get(metric)) for c in columns.values()]
        lines.append(f"{metric:<12}" + "".join(f"{c:>10}" for c in cells))
    if result.get("calibration"):
        said = result["calibration"]
        lines.append(
            f"calibration error {shown('ECE', said['ECE'])}, without its "
            f"temperature {shown('ECE', said['ECE_without'])}"
        )
    files = [path, predictions_beside(path), weights_beside(path)]
    there = [str(f) for f in files if Path(f).is_file() or f is path]
    return "\n".join([*lines, f"written: {', '.join(there)}"])


def shown(metric, value):
    """A figure as people read it.

    Arguments
    ---------
    metric : str
        Its name.
    value : float or None
        What was measured.

    Returns
    -------
    str
        Ratios as percentages.

    Example
    -------
    >>> shown("accuracy", 0.9), shown("loss", 0.9)
    ('90.0 %', '0.9000')
    """
    if value is None:
        return "-"
    ratio = metric not in NO_RATIO and 0 <= value <= 1
    return f"{value:.1%}".replace("%", " %") if ratio else f"{value:.4f}"
