"""A tiny Speech Commands v0.02, and its 12-class test set, as unpacked."""

from pathlib import Path

from layouts import write_clip

WORDS = (
    "backward bed bird cat dog down eight five follow forward four go happy "
    "house learn left marvin nine no off on one right seven sheila six stop "
    "three tree two up visual wow yes zero"
).split()
KEYWORDS = "down go left no off on right stop up yes".split()
NOISES = ("doing_the_dishes", "pink_noise")  # of six
SPEAKERS = {  # one clip of each word
    "train": ("00176480", "004ae714"),
    "valid": ("a69b9b3e",),
    "test": ("bb05582b",),
}
LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
PLAIN = (0.3, 16000, 1, "PCM_16")
ODD = [(0.3, 16000, 2, "PCM_16"), (0.3, 8000, 1, "PCM_U8")]


def make_speech_commands(folder, odd=True, missing=None):
    """speech_commands_v0.02 with four clips of each of the 35 words.

    With odd, some clips have the forms in ODD, the lists end in a blank line
    and there are files that are no clips. The clip named by missing (such as
    "yes/bb05582b_nohash_0.wav") is listed but not written.
    """
    root = Path(folder) / "speech_commands_v0.02"
    lists = {split: [] for split in SPEAKERS}
    for number, word in enumerate(WORDS):
        (root / word).mkdir(parents=True)
        for split, speakers in SPEAKERS.items():
            for speaker in speakers:
                name = f"{word}/{speaker}_nohash_0.wav"
                form = ODD[number] if odd and number < len(ODD) else PLAIN
                if name != missing:
                    write_clip(root / name, number, form, int(speaker, 16))
                lists[split].append(name)
    for split, name in LISTS.items():
        end = "\n\n" if odd else "\n"
        (root / name).write_text("\n".join(lists[split]) + end)
    noises = root / "_background_noise_"
    noises.mkdir()
    for number, name in enumerate(NOISES):
        form = (12.0, 16000, 1, "PCM_16")
        write_clip(noises / f"{name}.wav", -number, form)
    if odd:
        (noises / "README.md").write_text("Noises.")
        (root / "LICENSE").write_text("CC BY 4.0")
        (root / "yes" / "._00176480_nohash_0.wav").write_bytes(b"\0")
    return root


def make_test_set(folder):
    """speech_commands_test_set_v0.02 with one clip of each class."""
    root = Path(folder) / "speech_commands_test_set_v0.02"
    speaker = SPEAKERS["test"][0]
    for number, label in enumerate([*KEYWORDS, "_unknown_", "_silence_"]):
        (root / label).mkdir(parents=True)
        name = f"{speaker}_nohash_0.wav" if label != "_silence_" else "0.wav"
        write_clip(root / label / name, number, PLAIN)
    (root / "README.md").write_text("Test files.")
    return root
