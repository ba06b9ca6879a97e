"""The folder of a run: its settings, its script and its log.

Also the notes of a run: what prepare.py has warned of, for the result.json
(clips that are left out, recordings in two splits, figures that no published
one compares with).
"""

import inspect
import logging
import os
import shutil
import sys
import traceback
from datetime import date
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

import torch

from speechbrain.core import DEFAULT_LOG_CONFIG
from speechbrain.utils.distributed import (
    ddp_barrier,
    if_main_process,
    main_process_only,
)
from speechbrain.utils.logger import get_logger, setup_logging
from speechbrain.utils.quirks import log_applied_quirks
from speechbrain.utils.superpowers import run_shell

from ..data.writing import make_folder, refuse_no_file
from ..errors import printable
from .locks import lock
from .settings import GENERATED, HYPERPARAMS, settings_of

# files whose folder is there before any work, wherever it is
WRITTEN = ("result_file", "labels_file", "confusion_file", "classes_file")
PREPARE = ("prepare", "segments", "matching", "twelve", "speechbrain_petl.data")

logger = get_logger(__name__)


class _Notes(logging.Handler):
    """Keeps the warnings of prepare.py, each once."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def listen(self):
        """Begin anew: a recipe starts."""
        self.texts.clear()
        for name in PREPARE:
            logging.getLogger(name).addHandler(self)

    def emit(self, record):
        """Keep the message of a ``logging.LogRecord``."""
        text = record.getMessage()
        if text not in self.texts:
            self.texts.append(text)


NOTES = _Notes()  # of the recipe that this process runs


def create_experiment_directory(folder, hparams_file, overrides, run_opts):
    """As SpeechBrain's, but a run that is killed at any moment can go on.

    hyperparams.yaml is whole or not there, and has the run options that change
    the result; errors go to log.txt and to standard error.

    Arguments
    ---------
    folder : str
        The output_folder.
    hparams_file : str
        As ``parse_recipe`` returns it.
    overrides : str
        As ``parse_recipe`` returns them.
    run_opts : speechbrain.utils.run_opts.RunOptions
        As ``parse_recipe`` returns them.
    """
    # the script whose main has called this; a session of python has none
    script = inspect.currentframe().f_back.f_globals.get("__file__")
    _create(Path(folder), hparams_file, overrides, run_opts, script)
    ddp_barrier()


@main_process_only
def _create(folder, hparams_file, overrides, run_opts, script):
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        f"{GENERATED}{date.today()} from:\n# {os.path.abspath(hparams_file)}\n"
        "# yamllint disable\n" + settings_of(hparams_file, overrides, run_opts)
    )
    part = folder / f"{HYPERPARAMS}.part"
    part.write_text(text, encoding="utf-8")
    os.replace(part, folder / HYPERPARAMS)
    if script:
        shutil.copy(os.path.realpath(script), folder)
    _log_into(folder)
    (folder / "env.log").write_text(_environment(), encoding="utf-8")


def _environment():
    """Python, its packages and the commit that is checked out.

    SpeechBrain's asks whichever pip is found first, for a second.
    """
    packages = {f"{d.name}=={d.version}" for d in distributions()}
    try:
        commit = run_shell("git rev-parse HEAD")[0].decode().strip()
    except OSError:
        commit = "none"
    versions = f"Python {sys.version}\ntorch {torch.__version__}"
    return "\n".join([versions, f"commit {commit}", *sorted(packages), ""])


def _log_into(folder):
    log = folder / "log.txt"
    setup_logging(
        DEFAULT_LOG_CONFIG,
        {"handlers": {"file_handler": {"filename": str(log)}}},
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_controls)
    sys.excepthook = partial(_log_exception, log)
    log_applied_quirks()  # again, for the log
    NOTES.listen()
    logger.info("Beginning experiment!")
    logger.info(f"Experiment folder: {folder}")


def _without_controls(record):
    """Labels and names of files reach the screen, and who reads log.txt."""
    record.msg, record.args = printable(record.getMessage(), "\n\t"), None
    return True


def _log_exception(log, kind, error, frames):
    """SpeechBrain's hook leaves standard error empty."""
    with open(log, "a", encoding="utf-8") as file:
        traceback.print_exception(kind, error, frames, file=file)
    sys.__excepthook__(kind, error, frames)


def make_folders(settings):
    """Make what a run writes into, before any work, and lock it.

    Arguments
    ---------
    settings : dict
        With output_folder and the WRITTEN files, or without.
    """
    if not if_main_process():
        return
    output = Path(settings.get("output_folder") or ".")
    for key in filter(settings.get, ("output_folder", *WRITTEN)):
        path = folder = Path(settings[key])
        if key in WRITTEN:
            refuse_no_file(path, f"{key}=")
            folder = path.parent
            if folder.is_relative_to(output):
                continue  # made by what writes there
        make_folder(folder, f"{key}=")
        if key == "output_folder":
            lock(folder)
