"""Where the statistics of each epoch go: a file, and what else one likes.

TensorBoard and Weights & Biases through SpeechBrain's own loggers, which are
made when the first epoch ends: building a run leaves no trace.
"""

import os
import uuid
from importlib.util import find_spec
from pathlib import Path

from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import get_logger
from speechbrain.utils.train_logger import (
    FileTrainLogger,
    TensorboardLogger,
    TrainLogger,
    WandBLogger,
)

from ..errors import InputError, did_you_mean

logger = get_logger(__name__)

PACKAGES = ("tensorboard", "wandb")
WANDB_ID = "wandb_id.txt"  # beside train_log.txt


class TrainLog(TrainLogger):
    """Writes a text file and, by name, to TensorBoard or Weights & Biases.

    A run that goes on where it was killed goes on in their curves, too. Only
    the main process writes. What is not said to ``wandb`` here, it takes from
    environment variables, such as WANDB_PROJECT and WANDB_MODE=offline.

    Arguments
    ---------
    save_file : str
        The text file; what the others write is beside it.
    logger : str or list of str, optional
        "tensorboard", "wandb" or both.
    wandb : dict, optional
        Arguments of ``wandb.init``: project, name, entity, group, tags, ...
    precision : int
        Number of decimal places in the text file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train_log.txt"
    >>> TrainLog(path).log_stats({"epoch": 1}, train_stats={"loss": 0.5})
    >>> path.read_text()
    'epoch: 1 - train loss: 5.0000e-01\\n'
    """

    def __init__(self, save_file, logger=None, wandb=None, precision=4):
        self.wandb = {k: v for k, v in (wandb or {}).items() if v is not None}
        self.folder = Path(save_file).parent
        self.file = FileTrainLogger(save_file, precision)
        self.names = [logger] if isinstance(logger, str) else [*(logger or ())]
        for name in self.names:
            if name not in PACKAGES:
                raise InputError(
                    f"logger: {name!r} is none of {', '.join(PACKAGES)}."
                    + did_you_mean(str(name), PACKAGES)
                )
            if find_spec(name) is None:
                raise InputError(f"logger: {name} needs pip install {name}")
        self.others = {}

    @main_process_only
    def log_stats(
        self,
        stats_meta,
        train_stats=None,
        valid_stats=None,
        test_stats=None,
        verbose=True,
    ):
        """Write the statistics of an epoch, or of the test."""
        stats = (stats_meta, train_stats, valid_stats, test_stats)
        self.file.log_stats(*stats, verbose=verbose)
        for name in list(self.names):
            try:
                self._other(name).log_stats(*stats)
            except Exception as error:  # of a server, a disk, a package
                logger.warning(f"logger: {name} is left out from here: {error}")
                self.names.remove(name)

    def _other(self, name):
        """The logger of that name, made when it is first used."""
        if name not in self.others:
            if name == "wandb":
                self.others[name] = _wandb(self.folder, self.wandb)
            else:
                self.others[name] = _Board(self.folder)
        return self.others[name]


class _Board(TensorboardLogger):
    """Counts by epoch, where SpeechBrain's counts calls of this process."""

    def __init__(self, folder):
        super().__init__(str(folder / "tensorboard"))

    def log_stats(self, stats_meta, *stats):
        """Write an epoch at its number: a resumed run does not start from 0."""
        name, epoch = next(iter(stats_meta.items()))
        if isinstance(epoch, list):  # of which the average is tested
            epoch = max(epoch)
            stats_meta = {**stats_meta, name: epoch}
        self.global_step = {"meta": epoch - 1}
        for name, values in zip(("train", "valid", "test"), stats):
            self.global_step[name] = dict.fromkeys(values or (), epoch - 1)
        super().log_stats(stats_meta, *stats)
        self.writer.flush()  # a killed run loses nothing


def _wandb(folder, options):
    import wandb

    path = folder / WANDB_ID
    if not path.is_file():
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    try:
        named = {
            "project": os.environ.get("WANDB_PROJECT", "speechbrain_petl"),
            "name": "/".join(folder.absolute().parts[-2:]),
            **options,
        }
        return WandBLogger(
            wandb.init,
            **named,
            id=path.read_text(encoding="utf-8"),
            resume="allow",
            dir=str(folder),
            reinit="finish_previous",
        )
    except Exception as error:  # SpeechBrain's raises none that can be named
        reason = error.__context__ or error
        raise RuntimeError(f"wandb does not start: {reason}")
