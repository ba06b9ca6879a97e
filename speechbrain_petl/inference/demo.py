"""A page to try models in.

Upload a sound or record one: the labels with bars, and on its spectrogram what
has mattered. Several models are adapters on one base, which is in memory once.
"""

import html
from pathlib import Path

from ..data.audio import SAMPLE_RATE, read_audio
from ..errors import InputError
from .spectrograms import explanation_figure

TOP = 5  # labels with bars
SECONDS = 30  # of a sound that are explained
TITLE = "speechbrain_petl"


def make_page(adapters):
    """The page, which ``launch`` serves.

    Arguments
    ---------
    adapters : AdapterSet
        Models to choose from, at least one.

    Returns
    -------
    gradio.Blocks
        The page.
    """
    try:
        import gradio
    except ImportError:
        raise InputError(
            "sbpetl demo needs Gradio: pip install 'speechbrain_petl[demo]'"
        )

    names = list(adapters)
    with gradio.Blocks(title=TITLE, analytics_enabled=False) as page:
        gradio.Markdown("# What is in a sound")
        with gradio.Row():
            with gradio.Column():
                sound = gradio.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="sound",
                )
                model = gradio.Dropdown(
                    names,
                    value=names[0],
                    label="model",
                    visible=len(names) > 1,
                )
                said = gradio.Label(num_top_classes=TOP, label="labels")
            picture = gradio.Plot(label="what has mattered")
        inputs, outputs = [sound, model], [said, picture]
        for changed in (sound.change, model.change):
            changed(
                answers_of(adapters, gradio.Error),
                inputs,
                outputs,
                trigger_mode="always_last",
            )
    return page


def answers_of(adapters, refusal):
    """What is shown for a sound and a model: the labels, then the picture.

    Arguments
    ---------
    adapters : AdapterSet
        Models to choose from.
    refusal : type
        The error whose message, as html, the page shows.

    Returns
    -------
    callable
        Takes a path and a name; yields labels and a picture, or None.
    """

    def _answer(path, name):
        if path is None:
            yield None, None
            return
        try:
            classifier = adapters[name]
            probabilities = classifier.classify_file(path)[0][0].tolist()
            labels = dict(zip(classifier.hparams.labels, probabilities))
            yield labels, None  # the picture takes longer
            wav = read_audio(path, SECONDS * SAMPLE_RATE)
            yield labels, explanation_figure(classifier.explain(wav))
        except InputError as error:  # shown as html, to somebody elsewhere
            said = str(error).replace(str(path), Path(path).name)
            raise refusal(html.escape(said))

    return _answer
