"""How every script ends: one line for what its user or its machine got wrong,
a traceback for a bug.
"""

import errno
import gc
import logging
import os
import sys

from ..errors import InputError, printable
from .locks import unlock
from .yaml_errors import about_yaml

STOPPED = "stopped: what is finished is kept, the same command again goes on"
GOES_ON = "What is written so far is whole: the same command goes on from it."
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Make room"),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "Choose another folder"
    ),
    **dict.fromkeys(
        (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
        "Choose another name",
    ),
}
# torch's own writer does not know why it could not write
TORCH_WRITER = ("PytorchStreamWriter", "inline_container", "unexpected pos")


def run_main(main):
    """Call a script's main: bad input is one line and exit code 1.

    So is Ctrl-C, with exit code 130. Who reads what is printed, as ``head``
    does, may stop at any line.

    Arguments
    ---------
    main : callable
        Takes the command line as a list of str.
    """
    logging.raiseExceptions = False  # a log that is full costs no traceback
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_stdout()
        sys.exit(141)  # as a shell does: 128 + SIGPIPE
    except KeyboardInterrupt as stop:
        print(str(stop) or STOPPED, file=sys.stderr)
        sys.exit(130)  # as a shell's
    except Exception as error:
        said = str(error) if isinstance(error, InputError) else None
        said = said or _of_machine(error) or about_yaml(error)
        if said is None:
            raise
        _leave_stdout()
        sys.exit(f"error: {printable(' '.join(said.split()))}")
    finally:
        unlock()
        if "torch" in sys.modules:  # a --help has no use for it
            _leave_process_group()


def _leave_stdout():
    """What cannot be printed is not tried again at exit, with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave_process_group():
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
        gc.collect()  # ends its threads: one alive at exit may abort it


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
