"""A page to see and hear what a run got wrong.

One html file, which needs no network: the confusion matrix with the clips of
each cell, the clips it was surest of and wrong about with a player, figures of
each class, and how far its probabilities can be trusted.
"""

import io
import os
from pathlib import Path

import soundfile
from tqdm import tqdm

from ..data.audio import SAMPLE_RATE, check_audio, read_audio
from ..errors import InputError
from ..lobes.fbank import Fbank
from ..training.calibration import answers_of, calibration_error, reliability
from ..training.summary import shown
from .classes import confusion_cells, figures_of, judge
from .spectrograms import data_uri, spectrogram_uri

CLIPS = 50  # with a player
SECONDS = 30  # of a clip that are heard
TEMPLATE = "error_page.html"


def write_errors(tested, path, clips=CLIPS):
    """Write the page.

    Arguments
    ---------
    tested : speechbrain_petl.inference.tested.Tested
        What a run has tested.
    path : str or os.PathLike
        The html file.
    clips : int
        How many of the clips that it got wrong are to be heard.

    Returns
    -------
    dict
        How many are "wrong", of how many "clips", and why some of them cannot
        be heard, "silent" (list of str).
    """
    from jinja2 import Environment, PackageLoader

    judged = judge(tested)
    wrong = sorted(
        (clip for clip in judged if clip["wrong"]),
        key=lambda clip: -clip["confidence"],
    )
    for number, clip in enumerate(wrong[:clips]):
        clip["number"] = number
    bar = tqdm(wrong[:clips], "drawing", leave=False, disable=None)
    for clip in bar:
        clip |= _seen_and_heard(tested.sounds.get(clip["id"]))
    confidence, right = answers_of(
        tested.probabilities, tested.truth, tested.activation
    )
    loader = PackageLoader(__package__.partition(".")[0], "inference")
    page = Environment(loader=loader, autoescape=True, trim_blocks=True)
    text = page.get_template(TEMPLATE).render(
        result=tested.result,
        shown=shown,
        tags=tested.activation == "sigmoid",
        labels=tested.labels,
        clips=judged,
        wrong=wrong[:clips],
        others=len(wrong) - len(wrong[:clips]),
        figures=figures_of(tested),
        **confusion_cells(tested, judged),
        bins=reliability(confidence, right),
        ece=calibration_error(confidence, right),
    )
    Path(f"{path}.part").write_text(text, "utf-8", "surrogateescape")
    os.replace(f"{path}.part", path)
    silent = [clip["note"] for clip in wrong[:clips] if clip["note"]]
    return {"wrong": len(wrong), "clips": len(judged), "silent": silent}


def _seen_and_heard(sound):
    """Data URIs of what a clip sounds and looks like, or a note why not."""
    nothing = {"sound": "", "picture": "", "note": ""}
    if sound is None:
        return {**nothing, "note": "where its file is, the run does not say"}
    path, start, stop = sound
    seconds = SECONDS if stop is None else min(stop - start, SECONDS)
    try:
        check_audio(path)  # what is missing is called so
        wav = read_audio(path, round(seconds * SAMPLE_RATE), start=start)
    except InputError as error:
        return {**nothing, "note": str(error)}
    file = io.BytesIO()
    soundfile.write(file, wav.numpy(), SAMPLE_RATE, format="MP3")
    cells = Fbank(mels=64).log_mel(wav.unsqueeze(0))[0]
    return {
        **nothing,
        "sound": data_uri(file, "audio/mpeg"),
        "picture": spectrogram_uri(cells),
        "seconds": len(wav) / SAMPLE_RATE,
    }
