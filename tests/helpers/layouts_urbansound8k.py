"""A tiny UrbanSound8K in its official layout."""

import csv
from pathlib import Path

from layouts import PLAIN, write_clip

COLUMNS = "slice_file_name,fsID,start,end,salience,fold,classID,class".split(
    ","
)
CLASSES = (
    "air_conditioner,car_horn,children_playing,dog_bark,drilling,"
    "engine_idling,gun_shot,jackhammer,siren,street_music"
).split(",")
FOLDS = range(1, 11)
ODD = [  # freesound's files come in every form
    (0.3, 96000, 2, "PCM_24"),
    (0.3, 11025, 1, "PCM_U8"),
    (0.06, 44100, 2, "FLOAT"),
    (0.3, 22050, 1, "MS_ADPCM"),
]


def make_urbansound8k(folder, odd=True, missing=None):
    """UrbanSound8K with one clip of each class in each fold.

    With odd, some clips have the forms in ODD, one recording has clips in
    folds 1 and 4, the csv ends in a blank line, and there are files that it
    does not list. The clip named by missing is listed but not written.
    """
    root = Path(folder) / "UrbanSound8K"
    (root / "metadata").mkdir(parents=True)
    rows = []
    for fold in FOLDS:
        audio = root / "audio" / f"fold{fold}"
        audio.mkdir(parents=True)
        for number, label in enumerate(CLASSES):
            recording = 1000 * fold + number
            if odd and (fold, number) == (4, 3):
                recording = 1003
            name = f"{recording}-{number}-0-{fold}.wav"
            form = ODD[number] if odd and number < len(ODD) else PLAIN
            if name != missing:
                write_clip(audio / name, number, form, seed=recording)
            span = [recording, 0.5, 0.8, 1, fold, number, label]
            rows.append([name, *span])
    path = root / "metadata" / "UrbanSound8K.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
        file.write("\n" if odd else "")
    if odd:
        write_clip(root / "audio" / "fold1" / "9-9-9-9.wav", 0)
        (root / "audio" / "fold1" / ".DS_Store").write_bytes(b"\0")
    return root
