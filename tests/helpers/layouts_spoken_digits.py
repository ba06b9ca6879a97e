"""Tiny spoken digits in the layout of the official archive."""

from pathlib import Path

from layouts import write_clip

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
FORM = (0.3, 8000, 1, "PCM_16")
SHORT = (0.15, 8000, 1, "PCM_16")
INDICES = (0, 4, 5)  # the official split tests on 0 to 4


def make_spoken_digits(folder, odd=True):
    """Three recordings of each digit by each speaker, one of them short.

    With odd, there are the remains of a Mac.
    """
    root = Path(folder) / "free-spoken-digit-dataset-1.0.10"
    audio = root / "recordings"
    audio.mkdir(parents=True)
    for number, speaker in enumerate(SPEAKERS):
        for digit in range(10):
            for index in INDICES:
                path = audio / f"{digit}_{speaker}_{index}.wav"
                form = SHORT if index == INDICES[-1] else FORM
                write_clip(path, digit, form, seed=10 * number + index)
    if odd:
        (audio / ".DS_Store").write_bytes(b"\x00")
    return root
