"""How every script ends: one line for what its user or its machine got wrong,
a traceback for a bug.
"""

import errno
import gc
import logging
import sys
import traceback
from pathlib import Path

import ruamel.yaml
import yaml

from ..errors import InputError, printable
from .locks import unlock

STOPPED = "stopped: what is finished is kept, the same command again goes on"
GOES_ON = "What is written so far is whole: the same command goes on from it."
YAML_ERRORS = ruamel.yaml.error.YAMLError, yaml.YAMLError
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Make room"),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "Choose another folder"
    ),
}
# torch's own writer does not know why it could not write
TORCH_WRITER = ("PytorchStreamWriter", "inline_container", "unexpected pos")


def run_main(main):
    """Call a script's main: bad input is one line and exit code 1.

    So is Ctrl-C, with exit code 130.

    Arguments
    ---------
    main : callable
        Takes the command line as a list of str.
    """
    logging.raiseExceptions = False  # a log that is full costs no traceback
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt as stop:
        print(str(stop) or STOPPED, file=sys.stderr)
        sys.exit(130)  # as a shell's
    except Exception as error:
        said = _of_input(error) or _of_machine(error)
        if said is None:
            raise
        sys.exit(f"error: {printable(' '.join(said.split()))}")
    finally:
        unlock()
        if "torch" in sys.modules:  # a --help has no use for it
            _leave_process_group()


def _leave_process_group():
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
        gc.collect()  # ends its threads: one alive at exit may abort it


def _of_input(error):
    """A line about bad input: ours, or HyperPyYAML's about a yaml file.

    An error inside a class or function that a yaml names is its developer's.
    """
    frames = traceback.extract_tb(error.__traceback__)
    by_yaml = [Path(f.filename).parent.name == "hyperpyyaml" for f in frames]
    of_yaml = by_yaml[-1] or (any(by_yaml) and isinstance(error, YAML_ERRORS))
    if isinstance(error, InputError) or of_yaml:
        return ": ".join(map(str, error.args))
    return None


def _of_machine(error):
    """A line about a full disk, or a folder that cannot be written to."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in REMEDIES:
            file = error.filename2 or error.filename
            what = f"{file}: {error.strerror}" if file else error.strerror
            return f"{what}. {REMEDIES[error.errno]}. {GOES_ON}"
        words = str(error)
        if isinstance(error, RuntimeError) and any(
            writer in words for writer in TORCH_WRITER
        ):
            return f"a checkpoint could not be written. Make room. {GOES_ON}"
        error = error.__cause__
    return None
