"""What the encoders of ``ViT`` differ in: one table of inputs and sizes.

How their files name things is in ``weights/convert_vit.py``.
"""

from dataclasses import dataclass

KALDI = 400  # samples of a frame of ``Fbank``, which has whole ones only


@dataclass(frozen=True)
class Family:
    """What the encoders of one kind have in common.

    Arguments
    ---------
    mels : int
        Of the spectrogram.
    patch : tuple of int
        Frames and mels of a patch; patches do not overlap.
    frames : int
        The longest input that it was trained on.
    window : int
        Samples of a frame; 0 where frames begin before the clip, in ``MelDB``.
    learned : bool
        Whether positions are learned, those of time and of mels apart, and
        mels are scaled first; else they are sines and a class token is there.
    post_norm, gated : bool
        Whether LayerNorms end the blocks; whether attention is gated.
    by_rows : bool
        Whether the sines were made for patches that are listed row by row,
        which they are not: no other length has the same.
    like : str, optional
        The family whose recipe it takes.
    settings : tuple of str
        What it sets in that recipe: its own front end.

    Example
    -------
    >>> FAMILIES["ced"].rows
    4
    """

    mels: int
    patch: tuple
    frames: int
    window: int = 0
    learned: bool = False
    post_norm: bool = False
    gated: bool = False
    by_rows: bool = False
    like: str | None = None
    settings: tuple = ()

    @property
    def rows(self):
        """How many patches are above each other."""
        return self.mels // self.patch[1]

    @property
    def class_tokens(self):
        """How many come before the patches."""
        return 0 if self.learned else 1


SQUARE = (16, 16)
FAMILIES = {
    "ced": Family(64, SQUARE, 1012, learned=True),
    "dasheng": Family(64, (4, 64), 1008, learned=True, like="ced"),
    "eat": Family(128, SQUARE, 1024, KALDI, post_norm=True),
    "bat": Family(
        *(128, SQUARE, 1024),
        post_norm=True,
        gated=True,
        by_rows=True,
        like="ced",
        settings=("mels=128", "window=1024", "loudness=80", "scaled=True"),
    ),
    "audiomae": Family(128, SQUARE, 1024, KALDI, by_rows=True, like="eat"),
}
BASE = (768, 12, 12)  # dim, depth, heads
SIZES = {  # name -> dim, depth, heads, and the family
    "ced_tiny": ((192, 12, 3), "ced"),
    "ced_mini": ((256, 12, 4), "ced"),
    "ced_small": ((384, 12, 6), "ced"),
    "ced_base": (BASE, "ced"),
    "dasheng_base": (BASE, "dasheng"),
    "dasheng_06b": ((1280, 32, 16), "dasheng"),
    "dasheng_12b": ((1536, 40, 24), "dasheng"),
    "eat_base": (BASE, "eat"),
    "eat_large": ((1024, 24, 16), "eat"),
    "sslam_base": (BASE, "eat"),
    "bat_base": (BASE, "bat"),
    "audiomae_base": (BASE, "audiomae"),
}
