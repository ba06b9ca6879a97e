"""Millions of labelled clips in one memory-mapped table, not in objects.

A row is the path of a file and its labels, about 100 bytes. What is read stays
in the page cache, shared by all loader workers and processes.
"""

import hashlib
import os

import numpy as np
import torch

from .audio import read_audio
from .manifests import write_entries

NO_LABEL = 0xFFFF  # fills the rows of clips with few labels
ENTRIES = "clips.json"


def write_clips(path, files, labels):
    """Write a table of clips.

    Arguments
    ---------
    path : str
        The .npy file.
    files : numpy.ndarray
        Paths as bytes (clip,).
    labels : numpy.ndarray
        Indices of classes (clip, most labels of a clip), filled up with
        NO_LABEL.
    """
    width, most = max(files.dtype.itemsize, 1), labels.shape[1]
    row = [("file", f"S{width}"), ("labels", "<u2", (most,))]
    table = np.zeros(len(files), dtype=row)
    table["file"], table["labels"] = files, labels
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.{os.getpid()}.part"  # other runs may write it too
    with open(part, "wb") as file:
        np.save(file, table)
    os.replace(part, path)


def refuse_other_clips(folder, splits):
    """Refuse other clips, or other labels, than those of the run of a folder.

    Which they are stands in its clips.json, wherever the tables are.

    Arguments
    ---------
    folder : str or os.PathLike
        The save_folder of a run.
    splits : dict
        split -> (names as bytes, their labels as a numpy.ndarray)
    """
    entries = {}
    for split, (names, labels) in splits.items():
        digest = hashlib.sha256(np.ascontiguousarray(labels))
        for name in names.tolist():
            digest.update(os.path.splitext(os.path.basename(name))[0] + b"\n")
        entries[split] = {"clips": len(names), "sha256": digest.hexdigest()}
    write_entries(os.path.join(folder, ENTRIES), entries)


class ClipDataset(torch.utils.data.Dataset):
    """The clips of a table: ``id``, ``sig`` (sample,), ``shares`` (class,).

    Arguments
    ---------
    path : str
        The .npy file.
    classes : int
        Number of classes.
    samples : int
        Read at most that many samples of a clip.

    Example
    -------
    >>> path = str(getfixture("tmp_path") / "train.npy")
    >>> labels = np.array([[2, 0], [1, NO_LABEL]])
    >>> write_clips(path, np.array([b"a.wav", b"b.wav"]), labels)
    >>> clips = ClipDataset(path, classes=3, samples=16000)
    >>> len(clips), clips.weights()
    (2, array([2., 1.]))
    """

    def __init__(self, path, classes, samples):
        self.path, self.classes, self.samples = path, classes, samples
        self.table = np.load(path, mmap_mode="r")
        self.clips = len(self.table)

    def __reduce__(self):
        # a worker that is not forked maps the file again
        return ClipDataset, (self.path, self.classes, self.samples)

    def __len__(self):
        return len(self.table)

    def __getitem__(self, index):
        row = self.table[index]
        file = os.fsdecode(bytes(row["file"]))
        return {
            "id": os.path.splitext(os.path.basename(file))[0],
            "sig": read_audio(file, self.samples),
            "shares": multi_hot(row["labels"], self.classes),
        }

    def weights(self):
        """How often to draw each clip for the classes to be balanced.

        Returns
        -------
        numpy.ndarray
            The sum of 1 / (clips with the label) over the labels (clip,), as
            in https://arxiv.org/abs/2104.01778.
        """
        labels = self.table["labels"]
        counts = _count_labels(labels, self.classes)
        rarity = np.append(1 / counts.clip(min=1), 0.0)  # 0 for NO_LABEL
        weights = np.zeros(len(labels))
        for column in labels.T:
            weights += rarity[np.minimum(column, self.classes)]
        return weights


def _count_labels(labels, classes):
    """How many clips have each label (class,)."""
    counts = np.zeros(classes, dtype=np.int64)
    for column in labels.T:
        known = column[column != NO_LABEL]
        counts += np.bincount(known, minlength=classes)
    return counts


def multi_hot(labels, classes):
    """The target of a clip with several labels.

    Arguments
    ---------
    labels : list of int
        Indices of classes; NO_LABEL is skipped.
    classes : int
        Number of classes.

    Returns
    -------
    torch.Tensor
        1 for each of its classes, else 0 (class,).

    Example
    -------
    >>> multi_hot([2, 0, NO_LABEL], classes=4)
    tensor([1., 0., 1., 0.])
    """
    target = torch.zeros(classes)
    target[[int(label) for label in labels if label != NO_LABEL]] = 1.0
    return target
