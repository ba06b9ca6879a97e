"""Pictures of sounds: a spectrogram, and what of it has mattered."""

import base64
import io

from torch.nn import functional as F

from .canvas import blank, imsave, literal, save

TICKS = (125, 250, 500, 1000, 2000, 4000, 8000)  # Hz
MAP, RELEVANCE = "magma", "viridis"
WIDTH = 600  # pixels at most of a small picture: longer sounds are averaged


def draw_explanation(explanation, path, title=None):
    """Draw a spectrogram, and below it what of it has mattered.

    Arguments
    ---------
    explanation : speechbrain_petl.inference.explain.Explanation
        What to draw.
    path : str or os.PathLike
        The png file to write.
    title : str, optional
        By default the label and its probability.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl.inference.explain import Explanation
    >>> cells, hertz = torch.rand(90, 64), torch.linspace(0, 8000, 64)
    >>> path = getfixture("tmp_path") / "a.png"
    >>> draw_explanation(Explanation(cells, cells, hertz, "cat", 0.9), path)
    >>> path.exists()
    True
    """
    save(explanation_figure(explanation, title), path)


def explanation_figure(explanation, title=None):
    """The picture of ``draw_explanation``.

    Arguments
    ---------
    explanation, title
        As for ``draw_explanation``.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    said = explanation
    figure = blank(8, 6, str(said) if title is None else title)
    above, below = figure.subplots(2, 1, sharex=True, sharey=True)
    seconds = said.seconds.tolist()
    across = {
        "origin": "lower",
        "aspect": "auto",
        "extent": (seconds[0], seconds[-1], 0, len(said.hertz)),
    }
    heard = _contrast(said.spectrogram).T
    above.imshow(heard, cmap=MAP, **across)
    below.imshow(heard, cmap="gray", **across)
    strength = (said.relevance / said.relevance.max().clamp(min=1e-12)).T
    opaque = 0.85 * strength.sqrt().numpy()  # weak ones are seen, too
    below.imshow(strength, cmap=RELEVANCE, alpha=opaque, **across)
    hertz = [x for x in TICKS if x <= float(said.hertz.max())]
    rows = [int((said.hertz - x).abs().argmin()) + 0.5 for x in hertz]
    for axes in (above, below):
        axes.set_yticks(rows, [str(x) for x in hertz])
        axes.set(ylabel="Hz")
    below.set(xlabel="seconds")
    above.set_title("what was heard", fontsize=10)
    below.set_title(f"what speaks for {literal(said.label)}", fontsize=10)
    return figure


def spectrogram_uri(spectrogram):
    """A small picture of a spectrogram, for a page that needs no other file.

    Arguments
    ---------
    spectrogram : torch.Tensor
        A logarithm of energies (frame, band).

    Returns
    -------
    str
        A data URI of a JPEG.

    Example
    -------
    >>> import torch
    >>> spectrogram_uri(torch.rand(100, 64))[:22]
    'data:image/jpeg;base64'
    """
    if len(spectrogram) > WIDTH:
        rows = spectrogram.T.unsqueeze(0)
        spectrogram = F.adaptive_avg_pool1d(rows, WIDTH)[0].T
    file = io.BytesIO()
    imsave(
        file,
        _contrast(spectrogram).T.numpy(),
        cmap=MAP,
        origin="lower",
        format="jpeg",
        pil_kwargs={"quality": 75},
    )
    return data_uri(file, "image/jpeg")


def data_uri(file, kind):
    """What a file in memory holds, as an address.

    Arguments
    ---------
    file : io.BytesIO
        The file.
    kind : str
        Its MIME type.

    Returns
    -------
    str
        data:...

    Example
    -------
    >>> data_uri(io.BytesIO(b"abc"), "text/plain")
    'data:text/plain;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _contrast(spectrogram):
    """Without the lowest values, which are silence."""
    return spectrogram.clamp(min=float(spectrogram.float().quantile(0.02)))
