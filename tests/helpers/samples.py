"""Write tests/samples, the data that the flags of tests/recipes/*.csv name.

> python tests/helpers/samples.py
"""

from pathlib import Path

from layouts import make_esc50
from layouts_audioset import make_audioset
from layouts_brazilian_accents import make_brazilian_accents
from layouts_fluent_speech_commands import make_fluent_speech_commands
from layouts_google_speech_commands import make_speech_commands
from layouts_iemocap import make_iemocap
from layouts_librispeech import make_librispeech
from layouts_sample_identification import make_sample_identification
from layouts_spoken_digits import make_spoken_digits
from layouts_urbansound8k import make_urbansound8k

MAKERS = [
    make_audioset,
    make_brazilian_accents,
    make_esc50,
    make_fluent_speech_commands,
    make_speech_commands,
    make_iemocap,
    make_librispeech,
    make_sample_identification,
    make_spoken_digits,
    make_urbansound8k,
]


def write_samples(folder):
    """A tiny data set for each recipe, in its official layout."""
    for make in MAKERS:
        make(folder)


if __name__ == "__main__":
    write_samples(Path(__file__).parents[1] / "samples")
