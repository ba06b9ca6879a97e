"""From audio files to batches: check, read, manifest, dataset."""

import json
import os
import random
import struct
from functools import lru_cache, partial
from math import gcd

import soundfile
import torch
from tqdm import tqdm

from speechbrain.dataio import audio_io
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.dataio.preprocess import AudioNormalizer

from ..errors import InputError

SAMPLE_RATE = 16000  # Hz, what the encoders expect
MARGIN = 0.1  # seconds read on either side, so that a resampler sees no edge
_REMEDY = "Copy or download it again."
_UNKNOWN_SIZE = 0xFFFFFFFF  # a streamed wav does not know its length


def check_audio(path):
    """Duration of an audio file, or an error if it is not all there.

    Reads the header only. SpeechBrain's reader returns what is left of a
    truncated wav without a word, so its size is checked here.

    Arguments
    ---------
    path : str
        An audio file.

    Returns
    -------
    float
        Seconds.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [0.0] * 8000, 16000)
    >>> check_audio(path)
    0.5
    """
    if not os.path.isfile(path):
        raise InputError(f"the audio file {path} is missing. {_REMEDY}")
    if not os.path.getsize(path):
        raise InputError(f"the audio file {path} has 0 bytes. {_REMEDY}")
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise InputError(f"{path} is no audio file: {reason}. {_REMEDY}")
    if not info.frames:
        raise InputError(f"the audio file {path} holds no samples. {_REMEDY}")
    missing = _missing_bytes(path)
    if missing:
        raise InputError(
            f"the audio file {path} is truncated: {missing} bytes of its "
            f"samples are missing. {_REMEDY}"
        )
    return info.frames / info.samplerate


def read_audio(path, samples=None, sample_rate=SAMPLE_RATE, start=0.0):
    """Read a file as mono at one rate, no more of it than is needed.

    Arguments
    ---------
    path : str
        An audio file of any rate, width and number of channels.
    samples : int, optional
        Keep at most that many samples.
    sample_rate : int
        Hz.
    start : float
        Seconds of the file to leave out.

    Returns
    -------
    torch.Tensor
        Waveform (sample,).

    Example
    -------
    >>> path = getfixture("tmp_path") / "stereo.wav"
    >>> soundfile.write(path, [[0.0, 0.1]] * 4410, 44100)
    >>> read_audio(path).shape
    torch.Size([1600])
    """
    first, lead, frames, stop = 0, 0, -1, None
    if samples is not None or start:
        rate = soundfile.info(str(path)).samplerate
        first, lead = _offset(start, rate, sample_rate)
    if samples is not None:
        stop = lead + samples
        frames = int((stop / sample_rate + MARGIN) * rate)
    try:
        wav, rate = audio_io.load(
            path, channels_first=False, frame_offset=first, num_frames=frames
        )
    except RuntimeError as error:  # what no header tells
        raise InputError(f"{error} It is broken. {_REMEDY}")
    wav = wav.mean(dim=1) if wav.shape[1] > 1 else wav[:, 0]
    if rate != sample_rate:
        wav = _normalizer(sample_rate)(wav, rate)
    return wav[lead:stop]


def write_manifest(path, items):
    """Check every file of a split and write SpeechBrain's json manifest.

    Arguments
    ---------
    path : str
        The json file.
    items : dict
        id -> {"wav": path, ...}; each gets the file's "duration" (seconds).
    """
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    bar = tqdm(
        items.items(), desc=f"checking {name}", leave=False, disable=None
    )
    entries = {
        key: {**item, "duration": check_audio(item["wav"])} for key, item in bar
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)


def few_shots(entries, shots, seed):
    """Draw so many clips of each class.

    Windows of one recording, which name it as their "file", are one clip.

    Arguments
    ---------
    entries : dict
        id -> manifest entry with a "label", or "labels" if it has several.
    shots : int
        Clips per class.
    seed : int
        Another seed draws other clips; more shots keep the fewer.

    Returns
    -------
    dict
        The drawn entries, sorted by id.

    Example
    -------
    >>> entries = {f"clip{i}": {"label": "ab"[i % 2]} for i in range(10)}
    >>> list(few_shots(entries, shots=2, seed=1))
    ['clip0', 'clip5', 'clip6', 'clip9']
    """
    of_label = {}
    for key in sorted(entries):
        entry = entries[key]
        for label in entry.get("labels") or [entry["label"]]:
            # a dict without values: each clip once, in order
            of_label.setdefault(label, {})[entry.get("file", key)] = None
    drawn = set()
    for label, keys in of_label.items():
        keys = list(keys)
        if shots not in range(1, len(keys) + 1):
            raise InputError(
                f"shots={shots}: class {label!r} has {len(keys)} training "
                f"clips, choose 1 to {min(map(len, of_label.values()))}"
            )
        random.Random(f"{seed} {label}").shuffle(keys)
        drawn.update(keys[:shots])
    return {
        key: entries[key]
        for key in sorted(entries)
        if entries[key].get("file", key) in drawn
    }


def classification_datasets(
    manifests, samples, labels_file, shots=None, seed=0
):
    """Datasets of labelled clips.

    Items are ``id``, ``sig`` (sample,), ``target`` (an int) and ``shares``
    (class,), the one-hot target that augmentation may mix. The label set is
    that of all manifests, in sorted order, so that it does not depend on the
    fold.

    Arguments
    ---------
    manifests : dict
        split -> path of a manifest whose entries have "wav" and "label".
    samples : int
        Read at most that many samples of a clip.
    labels_file : str
        Where to store the label set, for inference.
    shots : int, optional
        Train on so many clips of each class only.
    seed : int
        Of the choice of these clips.

    Returns
    -------
    datasets : dict
        split -> speechbrain.dataio.dataset.DynamicItemDataset
    labels : speechbrain.dataio.encoder.CategoricalEncoder
        The label set.
    """
    entries = {}
    for split, path in manifests.items():
        with open(path, encoding="utf-8") as file:
            entries[split] = json.load(file)
    clips = [entry for split in entries.values() for entry in split.values()]
    names = {clip["label"] for clip in clips}
    for clip in clips:  # of what is read, for batches of so many seconds
        clip["duration"] = min(clip["duration"], samples / SAMPLE_RATE)
    if shots is not None:
        entries["train"] = few_shots(entries["train"], shots, seed)
    datasets = {k: DynamicItemDataset(split) for k, split in entries.items()}
    labels = CategoricalEncoder()
    labels.update_from_iterable(sorted(names))
    labels.expect_len(len(names))
    labels.save(labels_file)
    for data in datasets.values():
        read = partial(read_audio, samples=samples)
        data.add_dynamic_item(read, takes="wav", provides="sig")
        data.add_dynamic_item(
            labels.encode_label, takes="label", provides="target"
        )
        shares = partial(_one_hot, classes=len(names))
        data.add_dynamic_item(shares, takes="target", provides="shares")
        data.set_output_keys(["id", "sig", "target", "shares"])
    return datasets, labels


def _offset(start, rate, sample_rate):
    """The first frame to read, and how many samples before ``start`` it is.

    It lies where both rates have a sample, so that resampling from there gives
    the samples that resampling the whole file does.
    """
    common = gcd(rate, sample_rate)
    periods = int(max(start - MARGIN, 0) * common)
    lead = round(start * sample_rate) - periods * (sample_rate // common)
    return periods * (rate // common), lead


def _one_hot(target, classes):
    return torch.nn.functional.one_hot(torch.tensor(target), classes).float()


@lru_cache
def _normalizer(sample_rate):
    """One set of resampling kernels per process."""
    return AudioNormalizer(sample_rate)


def _missing_bytes(path):
    """How many bytes the data chunk of a wav lacks (0 for other formats)."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if riff != b"RIFF" or wave != b"WAVE":
            return 0
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                known = length != _UNKNOWN_SIZE
                return max(0, file.tell() + length - size) if known else 0
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0
