"""How right a table of predictions is: accuracy, word error rate, or mAP."""

ROUNDED = 1e-3  # of a sum of 7 digits each


def rated(table):
    """How right a table is.

    Arguments
    ---------
    table : pandas.DataFrame
        As a run's predictions.csv: label, predicted and p(...) for each class.

    Returns
    -------
    dict
        "accuracy", and of texts "WER", the word error rate; of tags, "mAP".

    Example
    -------
    >>> import pandas
    >>> columns = ["label", "predicted", "p(a)"]
    >>> rated(pandas.DataFrame([["a", "a", 1], ["b", "a", 1]], columns=columns))
    {'accuracy': 0.5}
    """
    import torch

    from ..training.metrics.tagging import MeanAveragePrecision

    columns = scores_of(table)
    labels, said = (table[x].astype(str) for x in ("label", "predicted"))
    if not has_tags(table):
        found = {"accuracy": float((labels == said).mean())}
        if not columns:
            edits, words = word_edits(list(said), list(labels))
            found["WER"] = edits / max(words, 1)
        return found
    metric = MeanAveragePrecision(len(columns))
    names = [column[2:-1] for column in columns]
    true = [tags_of(label, names, True) for label in labels]
    truth = [[name in tags for name in names] for tags in true]
    scores = torch.tensor(table[columns].to_numpy(dtype="float64"))
    metric.update(scores, torch.tensor(truth))
    return {"mAP": float(metric.compute())}


def has_tags(table):
    """Whether a clip may have several classes: probabilities are each their own.

    Example
    -------
    >>> import pandas
    >>> has_tags(pandas.DataFrame({"p(cat)": [0.9], "p(dog)": [0.8]}))
    True
    """
    total = table[scores_of(table)].astype(float).sum(axis=1)
    return bool(len(scores_of(table)) and ((total - 1).abs() > ROUNDED).any())


def scores_of(table):
    """The columns that hold probabilities.

    Example
    -------
    >>> import pandas
    >>> scores_of(pandas.DataFrame(columns=["id", "label", "p(dog)"]))
    ['p(dog)']
    """
    return [c for c in table.columns if c.startswith("p(") and c.endswith(")")]


def tags_of(said, names, tags):
    """What a cell says of a clip, as a list of names.

    Arguments
    ---------
    said : str
        The cell.
    names : list of str
        The classes.
    tags : bool
        Whether a clip may have several.

    Returns
    -------
    list of str

    Example
    -------
    >>> tags_of("cat|dog", ["cat", "dog"], tags=True)
    ['cat', 'dog']
    """
    from ..training.predictions import SEPARATOR

    return said.split(SEPARATOR) if tags and said not in names else [said]


def word_edits(said, right):
    """Words inserted, deleted and replaced in texts, and how many are right.

    Arguments
    ---------
    said, right : list of str
        Texts, pair by pair.

    Returns
    -------
    tuple of int
        The edits; the words of the right texts.

    Example
    -------
    >>> word_edits(["turn it of"], ["turn it off"])
    (1, 3)
    """
    from speechbrain.utils.metric_stats import ErrorRateStats

    stats = ErrorRateStats()
    pairs = ([text.split() for text in texts] for texts in (said, right))
    stats.append(list(map(str, range(len(right)))), *pairs)
    summary = stats.summarize()
    return summary["num_edits"], summary["num_scored_tokens"]
