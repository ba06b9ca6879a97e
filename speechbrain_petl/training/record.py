"""What a run has done so far, kept in its checkpoints."""

import json
import os
import time

import yaml

from speechbrain.utils.checkpoints import (
    METAFNAME,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

RECORD = "record"  # its name in a checkpoint


@register_checkpoint_hooks
class Record:
    """The statistics of the finished epochs, and the time they took.

    Arguments
    ---------
    history : list of dict, optional
        One for each finished epoch.
    seconds : float
        Spent in training, validation included.

    Example
    -------
    >>> path = getfixture("tmp_path") / "record.ckpt"
    >>> Record([{"epoch": 1, "train": {"loss": 0.5}}], seconds=2.0).save(path)
    >>> record = Record()
    >>> record.load(path)
    >>> record.history, record.seconds
    ([{'epoch': 1, 'train': {'loss': 0.5}}], 2.0)
    """

    def __init__(self, history=None, seconds=0.0):
        self.history, self.seconds = history or [], seconds
        self.started = None

    def start(self):
        """A stage begins whose time counts."""
        self.started = time.time()

    def stop(self):
        """It ends."""
        self.seconds, self.started = self._seconds_now(), None

    def _seconds_now(self):
        running = time.time() - self.started if self.started else 0.0
        return self.seconds + running

    @mark_as_saver
    def save(self, path):
        """Write the record, with the time of a stage that runs."""
        content = {"history": self.history, "seconds": self._seconds_now()}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file)

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Go on from a record."""
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
        self.history, self.seconds = saved["history"], saved["seconds"]


def split_record(checkpoint):
    """Give a checkpoint of version 0.1, which kept it elsewhere, a record.

    Arguments
    ---------
    checkpoint : pathlib.Path
        Its folder.
    """
    brain, part = checkpoint / "brain.ckpt", checkpoint / "part"
    saved = yaml.safe_load(brain.read_text(encoding="utf-8"))
    if "history" not in saved:
        return
    Record(saved.pop("history"), saved.pop("seconds")).save(part)
    os.replace(part, checkpoint / f"{RECORD}.ckpt")
    meta = (checkpoint / METAFNAME).read_text(encoding="utf-8")
    if yaml.safe_load(meta)["end-of-epoch"]:
        saved |= {"step": 0, "avg_train_loss": 0.0}
    part.write_text(yaml.safe_dump(saved), encoding="utf-8")
    os.replace(part, brain)
