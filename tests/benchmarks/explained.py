"""Whether what explains a model finds an event that lies where we know.

> PYTHONPATH=tests/helpers python -m tests.benchmarks.explained FOLDER RUN...

FOLDER is that of the test clips.

A row for each run of ``helpers/known_events.py``: the accuracy on its test
clips, the part of the area that the event has, and the part of the relevance.
"""

import sys
from pathlib import Path
from statistics import mean

from known_events import Event
from speechbrain_petl import AudioClassifier
from speechbrain_petl.data.audio import read_audio


def measure(run, files):
    """(accuracy, part of the area, part of the relevance), means of files."""
    classifier = AudioClassifier.from_run(run, run_opts={"device": "cpu"})
    rows = []
    for file in files:
        said = classifier.explain(read_audio(file))
        inside = Event.of(file).inside(said.seconds, said.hertz)
        relevance = float(said.relevance[inside].sum())
        right = said.label == Path(file).parent.name
        rows.append((right, float(inside.float().mean()), relevance))
    return tuple(mean(map(float, column)) for column in zip(*rows))


def main(argv):
    """A table on standard output."""
    print(
        "| run | accuracy | of the area | of the relevance |\n|---|---|---|---|"
    )
    for run in argv[1:]:
        folder = Path(argv[0])
        files = sorted(folder.glob("*/*.wav"))[::4]
        row = " | ".join(f"{100 * x:.1f} %" for x in measure(run, files))
        print(f"| {Path(run).name} | {row} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
