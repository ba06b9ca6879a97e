"""A page to try models in: sbpetl demo MODEL [MODEL ...].

Upload a sound or record one: the labels with bars, and on its spectrogram what
has mattered. Several models are adapters on one base, which is in memory once.
"""

import html

from ..data.audio import SAMPLE_RATE, read_audio
from ..errors import ArgumentParser, InputError
from ..recipe.command_line import check_device
from .adapter_set import AdapterSet
from .options import TRUST
from .spectrograms import explanation_figure

TOP = 5  # labels with bars
SECONDS = 30  # of a sound that are explained
PORT = 7860
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
                _answers_of(adapters, gradio.Error),
                inputs,
                outputs,
                trigger_mode="always_last",
            )
    return page


def _answers_of(adapters, refusal):
    """What is shown for a sound and a model: the labels, then the picture."""

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
        except InputError as error:  # shown as html
            raise refusal(html.escape(str(error)))

    return _answer


def main(argv):
    """The command line: MODELS and options."""
    parser = ArgumentParser(prog="sbpetl demo", description=__doc__)
    add = parser.add_argument
    add(
        "models",
        nargs="+",
        help="finished runs, adapter folders or NAME/REPOSITORY, on one base",
    )
    add("--base", help="the pretrained weights, if not where the first says")
    add("--trust", action="store_true", help=TRUST)
    add("--device", help="such as cpu or cuda")
    add("--host", default="127.0.0.1", help="0.0.0.0 for other machines, too")
    add("--port", type=int, default=PORT, help="of the page's address")
    args = parser.parse_args(argv)
    if not 0 < args.port < 2**16:
        parser.error(f"--port: {args.port} is not from 1 to {2**16 - 1}")
    options = {}
    if args.device:
        check_device(args.device)
        options["run_opts"] = {"device": args.device}
    adapters = AdapterSet(args.base, args.trust, **options)
    for name in dict.fromkeys(args.models):
        adapters.add(name, name)
    page = make_page(adapters)
    try:
        page.launch(server_name=args.host, server_port=args.port)
    except OSError as error:
        raise InputError(f"--host={args.host} --port={args.port}: {error}")
