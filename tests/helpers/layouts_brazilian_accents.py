"""Brazilian accents, generated: recordings of five regions, some long."""

import csv
from pathlib import Path

from layouts import PLAIN, write_clip

LABELS = ("ba", "mg", "re", "rj", "sp")
COLUMNS = ("id", "path", "label", "speaker")
LONG = (3.1, 16000, 1, "PCM_16")  # seconds, Hz, channels, subtype
ODD = ((0.4, 44100, 2, "PCM_16"), (0.3, 16000, 1, "PCM_U8"), LONG)


def rows_of(speakers=4, clips=2, labels=LABELS):
    """A dict per recording; the first label has a speaker more."""
    rows = []
    for number, label in enumerate(labels):
        for speaker in range(speakers + (number == 0)):
            for clip in range(clips):
                name = f"{label}{speaker}_{clip}"
                rows.append(
                    {
                        "id": name,
                        "path": f"{label}/{name}.wav",
                        "label": label,
                        "speaker": f"{label}{speaker}",
                    }
                )
    return rows


def write_csv(path, rows, tail="\n"):
    """A csv file of dicts with the same keys; by default a blank line ends it."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        file.write(tail)


def make_brazilian_accents(folder, rows=None, missing=None):
    """metadata.csv and its recordings: stereo, 8 bit and long ones, and a
    file that is not listed; without the recording whose id is ``missing``."""
    root = Path(folder) / "BrazilianAccents"
    rows = rows_of() if rows is None else rows
    for number, row in enumerate(rows):
        path = root / row["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        form = ODD[number] if number < len(ODD) else PLAIN
        target = 20 * sorted({r["label"] for r in rows}).index(row["label"])
        if row["id"] != missing:
            write_clip(path, target, form, seed=number)
    write_clip(root / "ba" / "not_listed.wav", target=0)
    write_csv(root / "metadata.csv", rows)
    return root
