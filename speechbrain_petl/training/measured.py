"""What a run has measured, and on what machine, for its result.json."""

import shlex
import sys

from ..adapters.adapted import AdaptedEncoder, count_parameters
from ..recipe.experiment import NOTES
from .device import device_name, peak_memory


def measured(brain):
    """What a run adds to what identifies it.

    Arguments
    ---------
    brain : PETLBrain
        That has been tested.

    Returns
    -------
    dict
        For its result.json.
    """
    trainable, total = count_parameters(brain.modules)
    if brain.epochs is None:  # what was loaded is tested
        trainable = 0
    return {
        "metrics": brain.test_stats,
        "select": brain.select,
        "tested_epoch": brain.tested_epoch,
        "tested_on": brain.test_on,
        "trainable_parameters": trainable,
        "total_parameters": total,
        "adapter_bytes": brain.adapter_bytes,
        "seconds": round(brain.record.seconds, 1),
        "peak_memory_mib": peak_memory(brain.device),
        "device": device_name(brain.device),
        "precision": brain.precision,
        "processes": brain.processes,
        "debug": brain.debug,
        "command": shlex.join(sys.argv),
        "encoder_class": _encoder_class(brain.raw_modules),
        "notes": list(NOTES.texts),  # what prepare.py has warned of
        "history": brain.record.history,
    }


def _encoder_class(modules):
    """The name of the class, without the method around it; None if there is none."""
    found = next(
        (m for m in modules.values() if isinstance(m, AdaptedEncoder)), None
    )
    return found and type(found.encoder).__name__
