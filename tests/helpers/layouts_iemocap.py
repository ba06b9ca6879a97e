"""A tiny IEMOCAP in the layout of its official release."""

from pathlib import Path

from layouts import PLAIN, write_clip

SPEAKERS = [f"Ses0{session}{sex}" for session in range(1, 6) for sex in "FM"]
CODES = ("neu", "hap", "exc", "sad", "ang", "fru", "xxx")
ODD = [(0.3, 48000, 2, "PCM_16"), (0.3, 8000, 1, "PCM_U8")]
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
# two annotators, one of them in an encoding of the time
VOTES = "C-E2:\tNeutral;\t()\nA-M1:\tval 3; act 2; dom 2;\t(\xe9)\n\n"


def make_iemocap(folder, odd=True, missing=None):
    """IEMOCAP_full_release with an improvised and a scripted dialog a session.

    In each dialog both speakers have a turn of every code. With odd, some
    clips have the forms in ODD, and there are the annotators' folders and the
    remains of a Mac. The turn named by missing is listed but not written.
    """
    root = Path(folder) / "IEMOCAP_full_release"
    for session in range(1, 6):
        home = root / f"Session{session}"
        labels = home / "dialog" / "EmoEvaluation"
        labels.mkdir(parents=True)
        # one is marked on the woman, one on the man; both speak in both
        for dialog in (
            f"Ses0{session}F_impro01",
            f"Ses0{session}M_script01_1b",
        ):
            wavs = home / "sentences" / "wav" / dialog
            wavs.mkdir(parents=True)
            _write_dialog(labels, wavs, dialog, odd, missing)
        if odd:
            for name in ("Attribute", "Categorical", "Self-evaluation"):
                (labels / name).mkdir()
                (labels / name / f"{dialog}_e1.txt").write_text("[none]")
            (labels / f"._{dialog}.txt").write_bytes(b"[\x00\x05\x16\x07")
    return root


def _write_dialog(labels, wavs, dialog, odd, missing):
    text = HEADER
    for number, code in enumerate(CODES):
        for sex in "FM":
            turn = f"{dialog}_{sex}{number:03}"
            form = ODD[number] if odd and number < len(ODD) else PLAIN
            if turn != missing:
                target = 4 * CODES.index("hap" if code == "exc" else code)
                write_clip(wavs / f"{turn}.wav", target, form, seed=number)
            numbers = "[2.5000, 2.5000, 2.5000]"
            text += f"[{number}.2901 - {number}.5901]\t{turn}\t{code}\t"
            text += f"{numbers}\n{VOTES}"
    path = labels / f"{dialog}.txt"
    path.write_text(text + ("\n" if odd else ""), encoding="latin-1")
