"""AudioSet's official csv files, with a few classes and tiny clips."""

from pathlib import Path

import soundfile
from layouts import ODD, PLAIN, sound, write_clip

NAMES = ["Speech", "Dog", "Accordion, squeezebox", "Rain", "Siren"]
LABELS = ["/m/09x0r", "/m/0bt9lr", "/m/0mkg", "/m/06mb1", "/m/03kmc9"]
CLIPS = {"balanced": 20, "unbalanced": 8, "eval": 11}
FILES = {
    "balanced": "balanced_train_segments.csv",
    "unbalanced": "unbalanced_train_segments.csv",
    "eval": "eval_segments.csv",
}
# the last class has no clip: AudioSet's rarest may be missing in a subset
USED = len(LABELS) - 1


def ytid(name, number):
    """Eleven characters; some start with a hyphen, some with a Y."""
    return f"{'-Ya_'[number % 4]}{name[:3]}{number:07d}"


def labels_of(number):
    """One or two labels; clip 0 of each list has the first class's."""
    first = number % USED
    return sorted({first, (first + 1) % USED} if number % 3 else {first})


def make_audioset(folder, clips=CLIPS, odd=True, missing=()):
    """The four csv files and a folder of clips for each list.

    With odd, there are stereo, 24 bit and very long clips, flac files, names
    with and without the leading Y, subfolders, files that are no clips, and a
    trailing blank line. The clips whose ids are missing are not written.
    """
    root = Path(folder) / "AudioSet"
    (root / "audio").mkdir(parents=True)
    rows = [f'{i},{m},"{n}"' for i, (m, n) in enumerate(zip(LABELS, NAMES))]
    text = "\n".join(["index,mid,display_name", *rows]) + "\n"
    (root / "class_labels_indices.csv").write_text(text)
    for name, count in clips.items():
        numbers = range(count)
        rows = [_row(ytid(name, n), labels_of(n)) for n in numbers]
        text = "\n".join([*_comment(count), *rows]) + "\n" * (1 + odd)
        (root / FILES[name]).write_text(text)
        for n in numbers:
            if ytid(name, n) not in missing:
                _write(root / "audio" / name, name, n, odd)
    if odd:
        (root / "audio" / "notes.txt").write_text("not a clip")
        write_clip(root / "audio" / "too_long_a_name.wav", target=0)
        write_clip(root / "audio" / "unlisted_id.wav", target=0)
    return root


def _comment(count):
    return [
        "# Segments csv created Sun Mar  5 10:54:31 2017",
        f"# num_ytids={count}, num_segs={count}, num_unique_labels={USED}, "
        f"num_positive_labels={sum(len(labels_of(n)) for n in range(count))}",
        "# YTID, start_seconds, end_seconds, positive_labels",
    ]


def _row(key, labels):
    return f'{key}, 30.000, 40.000, "{",".join(LABELS[i] for i in labels)}"'


def _write(folder, name, number, odd):
    """Y<id>.wav, but every fourth <id>.flac in a subfolder."""
    key, labels = ytid(name, number), labels_of(number)
    if odd and number % 4 == 3:
        folder = folder / "part_01"
        folder.mkdir(parents=True, exist_ok=True)
        x = sum(sound(20 * i, 0.3, 16000, number) for i in labels) / 2
        soundfile.write(str(folder / f"{key}.flac"), x, 16000)
        return
    folder.mkdir(parents=True, exist_ok=True)
    forms = list(ODD.values())
    form = forms[number] if odd and number < len(forms) else PLAIN
    write_clip(folder / f"Y{key}.wav", 20 * labels[0], form, seed=number)
