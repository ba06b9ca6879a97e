"""Embeddings of files, or of their windows, in one .npz."""

import os
import tempfile
from pathlib import Path

import numpy as np


class Vectors:
    """An .npz with all embeddings, whole or not there; few are in memory.

    It holds "embeddings" (row, dim) and "files", their names. By window, it
    holds "file_index" (row,), which of the files a row is of, and "start" and
    "end" (row,) in seconds.

    Arguments
    ---------
    path : str
        The file.
    by_window : bool
        A row for each window, and not the mean over those of a file.

    Example
    -------
    >>> import torch
    >>> from speechbrain_petl.inference.answers import Answer
    >>> path = getfixture("tmp_path") / "a.npz"
    >>> answer = Answer("a.wav", spans=[(0, 1)], embeddings=torch.zeros(1, 4))
    >>> with Vectors(path) as vectors:
    ...     vectors.write(answer)
    >>> found = np.load(path)
    >>> found["files"].tolist(), found["embeddings"].shape
    (['a.wav'], (1, 4))
    """

    def __init__(self, path, by_window=False):
        self.path, self.by_window, self.files = path, by_window, []
        # what it holds goes with the process, even if that is killed
        self.rows = tempfile.TemporaryFile(dir=Path(path).absolute().parent)

    def write(self, answer):
        """Add a file.

        Arguments
        ---------
        answer : speechbrain_petl.inference.answers.Answer
            Its embeddings and the spans of its windows.
        """
        found, spans = answer.embeddings, answer.spans
        if not self.by_window:
            found, spans = found.mean(dim=0, keepdim=True), spans[:1]
        self.kind = np.dtype(
            [
                ("embeddings", np.float32, found.shape[1:]),
                ("file_index", np.int64),
                ("start", np.float64),
                ("end", np.float64),
            ]
        )
        rows = np.empty(len(found), self.kind)
        rows["embeddings"], rows["file_index"] = found, len(self.files)
        rows["start"], rows["end"] = np.transpose(spans)
        self.rows.write(rows.tobytes())
        self.files.append(answer.file)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with self.rows:
            if kind is None and self.files:
                self._save()

    def _save(self):
        self.rows.flush()
        rows = np.memmap(self.rows, self.kind, mode="r")
        names = self.kind.names if self.by_window else ["embeddings"]
        with open(f"{self.path}.part", "wb") as file:
            columns = {name: rows[name] for name in names}
            np.savez(file, files=np.array(self.files), **columns)
        os.replace(f"{self.path}.part", self.path)
