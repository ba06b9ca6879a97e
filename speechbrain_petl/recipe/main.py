"""How every script ends: bad input with one line, a bug with its traceback."""

import gc
import logging
import sys
import traceback
from pathlib import Path

import ruamel.yaml
import torch
import yaml

from ..errors import InputError
from .experiment import unlock
from .surroundings import surroundings

STOPPED = "stopped: what is finished is kept, the same command again goes on"
YAML_ERRORS = ruamel.yaml.error.YAMLError, yaml.YAMLError


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
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(130)  # as a shell's
    except Exception as error:
        said = _line(error)
        if said is None:
            raise
        sys.exit(f"error: {' '.join(said.split())}")
    finally:
        unlock()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
            gc.collect()  # ends its threads: one alive at exit may abort it


def _line(error):
    """What is to be said; None of a bug, which keeps its traceback."""
    if _is_bad_input(error):
        return ": ".join(map(str, error.args))
    return surroundings(error)


def _is_bad_input(error):
    """Whether a line is enough: ours, or HyperPyYAML's about a yaml file.

    An error inside a class or function that a yaml names is its developer's.
    """
    if isinstance(error, InputError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    by_yaml = [Path(f.filename).parent.name == "hyperpyyaml" for f in frames]
    return by_yaml[-1] or (any(by_yaml) and isinstance(error, YAML_ERRORS))
