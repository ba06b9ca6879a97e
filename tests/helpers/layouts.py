"""Tiny generated data sets in the official layouts of the real ones."""

import csv
import io
import wave
from pathlib import Path

import numpy as np
import soundfile

ESC50_COLUMNS = "filename,fold,target,category,esc10,src_file,take".split(",")
ESC10 = {  # target: category
    0: "dog",
    1: "rooster",
    10: "rain",
    11: "sea_waves",
    12: "crackling_fire",
    20: "crying_baby",
    21: "sneezing",
    38: "clock_tick",
    40: "helicopter",
    41: "chainsaw",
}
CLASSES = 50
FOLDS = (1, 2, 3, 4, 5)
# the form of a clip -> seconds, Hz, channels, soundfile's subtype
PLAIN = (0.3, 8000, 1, "PCM_16")
ODD = {
    "stereo at 48 kHz": (0.3, 48000, 2, "PCM_16"),
    "24 bit": (0.3, 8000, 1, "PCM_24"),
    "floating point": (0.3, 22050, 1, "FLOAT"),
    "very short": (0.05, 16000, 1, "PCM_16"),
    "very long": (12.0, 8000, 1, "PCM_16"),
}


def sound(target, seconds, rate, seed):
    """A noisy tone whose pitch tells the class, (sample,)."""
    t = np.arange(int(seconds * rate)) / rate
    hz = 200 * 1.05**target
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return 0.3 * np.sin(2 * np.pi * hz * t) + 0.03 * noise


def write_clip(path, target, form=PLAIN, seed=0):
    """One wav file of a class in a given form."""
    seconds, rate, channels, subtype = form
    x = sound(target, seconds, rate, seed)
    x = np.stack([x] * channels, axis=1)
    soundfile.write(str(path), x, rate, subtype=subtype)


def make_esc50(folder, classes=10, clips=1, odd=True):
    """ESC-50-master with so many classes, and clips of each in each fold.

    With 10 classes they are those of ESC-10. With odd, every fold has clips
    of all the forms in ODD, and audio/ a file that the csv does not list.
    """
    root = Path(folder) / "ESC-50-master"
    audio, meta = root / "audio", root / "meta"
    audio.mkdir(parents=True)
    meta.mkdir()
    targets = sorted(ESC10) if classes == len(ESC10) else range(classes)
    forms, rows = list(ODD.values()), []
    for fold in FOLDS:
        for number, target in enumerate(list(targets) * clips):
            source = 1000 * fold + number  # a recording stays in its fold
            form = forms[number] if odd and number < len(forms) else PLAIN
            name = f"{fold}-{source}-A-{target}.wav"
            write_clip(audio / name, target, form, seed=source)
            category = ESC10.get(target, f"class_{target}")
            esc10 = target in ESC10
            rows.append([name, fold, target, category, esc10, source, "A"])
    if odd:
        write_clip(audio / "9-1-A-0.wav", target=0)
    with open(meta / "esc50.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([ESC50_COLUMNS, *rows])
    return root


def make_urbansound8k(folder):
    """Just enough of another data set to be mistaken for one's own."""
    root = Path(folder) / "UrbanSound8K"
    (root / "audio" / "fold1").mkdir(parents=True)
    (root / "metadata").mkdir()
    text = "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
    (root / "metadata" / "UrbanSound8K.csv").write_text(text)
    return root


def truncated_wav(seconds=1.0, keep=0.5):
    """The bytes of a wav file that was not copied to its end."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(int(2 * 16000 * seconds)))
    return out.getvalue()[: int(len(out.getvalue()) * keep)]
