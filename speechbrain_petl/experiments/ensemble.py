"""Several runs as one: sbpetl ensemble RUN RUN ...: the mean of what they say.

RUN is the folder of a finished run, or its predictions.csv; all of the same test
clips. --vote counts what each has predicted; texts are always voted on, and of those
that as many runs have written the one is taken that differs least from all.
"""

import os
from collections import Counter
from pathlib import Path

from ..data.checksums import check_sum
from ..data.writing import check_file, refuse_twice
from ..errors import ArgumentParser, InputError
from .rating import has_tags, rated, scores_of, tags_of, word_edits


def ensemble(tables, vote=False):
    """The predictions of several runs together.

    Arguments
    ---------
    tables : list of pandas.DataFrame
        Each as a run's predictions.csv: id, label, predicted and p(...) for
        each class.
    vote : bool
        What most have predicted, and of as many the likeliest; of tags, those
        that half of the runs have. Else the mean probability.

    Returns
    -------
    pandas.DataFrame
        The same columns.

    Example
    -------
    >>> import pandas
    >>> a, b = (
    ...     pandas.DataFrame(
    ...         [["x.wav", "dog", name, p, 1 - p]],
    ...         columns=["id", "label", "predicted", "p(cat)", "p(dog)"],
    ...     )
    ...     for name, p in (("cat", 0.6), ("dog", 0.1))
    ... )
    >>> ensemble([a, b])["predicted"].tolist()
    ['dog']
    """
    # here, so that --help waits for no torch
    from ..training.predictions import predicted

    first = tables[0]
    for table in tables[1:]:
        if _tested(table) != _tested(first):
            raise InputError(
                "ensemble: these runs have other test clips, or other classes, "
                "or tags and classes: give runs of one data set, fold and protocol"
            )
    columns = scores_of(first)
    joined = first[["id", "label", "predicted"]].copy()
    votes = zip(*(table["predicted"].astype(str) for table in tables))
    if not columns:
        joined["predicted"] = [_text_of_most(texts) for texts in votes]
        return joined
    mean = sum(table[columns].astype(float) for table in tables) / len(tables)
    names = [column[2:-1] for column in columns]
    tags = has_tags(first)
    for row, said in enumerate(votes) if vote else ():
        counts = Counter(tag for x in said for tag in tags_of(x, names, tags))
        # probabilities below 1 decide among as many votes
        mean.iloc[row] = (mean.iloc[row] + [counts[n] for n in names]) / (
            1 + len(tables)
        )
    how = "sigmoid" if tags else "softmax"
    said = [predicted(row, names, how) for row in mean.to_numpy().tolist()]
    joined["predicted"] = said
    return joined.join(mean)


def _text_of_most(texts):
    """The commonest; of several, the one with the fewest edits to all."""
    counts = Counter(texts)
    most = [t for t in counts if counts[t] == max(counts.values())]
    if len(most) == 1:
        return most[0]
    return min(most, key=lambda text: word_edits([text] * len(texts), texts)[0])


def _tested(table):
    """What runs must have in common; several labels are in any order."""
    from ..training.predictions import SEPARATOR

    labels = [sorted(x.split(SEPARATOR)) for x in table["label"].astype(str)]
    return (sorted(table.columns), list(table["id"]), labels, has_tags(table))


def main(argv):
    """The command line: RUNS and options."""
    parser = ArgumentParser(prog="sbpetl ensemble", description=__doc__)
    parser.add_argument("runs", nargs="+", help="finished runs, two or more")
    parser.add_argument("--vote", action="store_true", help="count predictions")
    parser.add_argument("--csv", help="write the predictions of all together")
    options = parser.parse_args(argv)
    if len(options.runs) < 2:
        parser.error("RUN RUN ...: give two or more")
    refuse_twice(options.runs)
    if options.csv:
        check_file(options.csv, "--csv=")
    tables = [_read(run) for run in options.runs]
    joined = ensemble(tables, options.vote)
    how = "votes" if options.vote or not scores_of(joined) else "mean"
    names = [*options.runs, f"{how} of {len(tables)}"]
    clips = f", {len(joined)} clips"
    for run, table in zip(names, [*tables, joined]):
        rates = ", ".join(f"{n} {v:.4f}" for n, v in rated(table).items())
        print(f"{run}: {rates}{clips if table is joined else ''}")
    if options.csv:
        joined.to_csv(f"{options.csv}.part", index=False, float_format="%.7g")
        os.replace(f"{options.csv}.part", options.csv)


def _read(run):
    """The predictions of a run."""
    from pandas import to_numeric

    from ..training.predictions import PREDICTIONS, read_predictions
    from ..training.results import RESULT, read_result

    folder = path = Path(run).expanduser()
    if folder.is_dir():
        if not (folder / RESULT).is_file():
            raise InputError(f"{run} holds no {RESULT}, as a finished run has")
        result, path = read_result(folder / RESULT), folder / PREDICTIONS
    try:
        table = read_predictions(path)
        if folder.is_dir():
            check_sum(result, path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error}. Runs of before have none: their "
            "command with --test_only writes it"
        )
    if not {"id", "label", "predicted"} <= set(table.columns) or table.empty:
        raise InputError(f"{path} holds no predictions of a test")
    for column in scores_of(table):
        numbers = to_numeric(table[column], errors="coerce")
        wrong = table["id"][~numbers.between(0, 1)]
        if len(wrong):
            raise InputError(
                f"{path}: {column} of {wrong.iloc[0]} is no probability: was "
                "the loss of the run's test finite?"
            )
    return table.sort_values("id", ignore_index=True)
