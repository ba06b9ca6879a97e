"""t-SNE: embeddings of clips in the plane, coloured by class."""

import numpy

from ...errors import InputError
from ...inference.canvas import COLOURS, blank, literal, save

MARKERS = "osD^vP*Xph"
PERPLEXITY = 30


def draw_embeddings(embeddings, labels, path, title, seed=1):
    """Draw clips where t-SNE puts their embeddings, a colour per class.

    Neighbours are kept, distances between far clips are not:
    https://jmlr.org/papers/v9/vandermaaten08a.html

    Arguments
    ---------
    embeddings : torch.Tensor or numpy.ndarray
        Of the clips (clip, dim).
    labels : list of str
        The class of each clip.
    path, title : str
        The png file to write, and what was run.
    seed : int
        Of t-SNE.
    """
    points = _project(numpy.asarray(embeddings, dtype="float64"), seed)
    labels = numpy.array(labels)
    names = sorted(set(labels))
    if len(names) > len(COLOURS) * len(MARKERS):
        raise InputError(
            f"{len(names)} classes are too many to tell apart in {path}"
        )
    figure = blank(8 + 2 * (len(names) // 25), 6, title)
    axes = figure.subplots()
    for i, name in enumerate(names):
        turn, colour = divmod(i, len(COLOURS))
        axes.scatter(
            *points[labels == name].T,
            s=14,
            color=COLOURS[colour],
            marker=MARKERS[turn],
            label=literal(name),
        )
    axes.set(xticks=[], yticks=[])
    figure.legend(loc="outside right center", ncols=1 + len(names) // 25)
    save(figure, path)


def _project(embeddings, seed=1):
    """To the plane, (clip, dim) to (clip, 2).

    >>> _project(numpy.eye(6)).shape
    (6, 2)
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise InputError(
            "t-SNE needs scikit-learn: pip install 'scikit-learn>=1.4'"
        )
    if len(embeddings) < 4:
        raise InputError(f"t-SNE of {len(embeddings)} clips: give 4 or more")
    perplexity = min(PERPLEXITY, (len(embeddings) - 1) / 3)
    return TSNE(perplexity=perplexity, random_state=seed).fit_transform(
        embeddings
    )
