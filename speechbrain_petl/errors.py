"""What a user can mend: one exception, whose message is the whole story.

``speechbrain_petl.run_main`` prints it as a single line and exits with 1, and
so does the parser of ``sbpetl``.
"""

import argparse
import difflib
import inspect
import re
from functools import partial

# commands of terminals, what turns the direction of text, and the bytes of a
# file's name that are no UTF-8
CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class InputError(ValueError):
    """A wrong value in a file, a folder, an option or a checkpoint.

    The message names the value, where it stands and the remedy, so that it
    can be shown without a traceback.

    Example
    -------
    >>> raise InputError("fold 7 does not exist, choose one of 1 to 5")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: fold 7 does not exist, choose one of 1 to 5
    """

    def __init__(self, message):
        # torch raises a loader worker's error anew, with its traceback for a
        # message, whose last line is the error
        name = f"{type(self).__module__}.{type(self).__qualname__}: "
        if message.startswith("Caught ") and name in message:
            message = message.rpartition(name)[2].strip()
        super().__init__(message)


def refuse_all(where, problems, remedy="", most=10):
    """One error for all that is wrong with something, so that one run tells.

    Arguments
    ---------
    where : str
        The file or option that is wrong.
    problems : list of str
        What is wrong; nothing happens without any.
    remedy : str
        What the user can do about it: the end of the message.
    most : int
        How many to name; the others are counted.

    Example
    -------
    >>> refuse_all("a.csv", [f"line {n}: no label" for n in range(9)], most=1)
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: a.csv: line 0: no label; and 8 more
    """
    if not problems:
        return
    named = "; ".join(problem.rstrip(".") for problem in problems[:most])
    others = len(problems) - most
    more = f"; and {others} more" if others > 0 else ""
    end = f". {remedy}" if remedy else ""
    raise InputError(f"{where}: {named}{more}{end}")


class ArgumentParser(argparse.ArgumentParser):
    """A parser that answers a wrong command in one line, with exit code 1.

    Arguments
    ---------
    **kwargs : dict
        As for ``argparse.ArgumentParser``. Options cannot be abbreviated, and
        the lines of a description are kept.

    Example
    -------
    >>> ArgumentParser(prog="sbpetl stats").parse_args(["--mel=64"])
    Traceback (most recent call last):
    SystemExit: 1
    """

    def __init__(self, **kwargs):
        kept = argparse.RawDescriptionHelpFormatter
        defaults = {"allow_abbrev": False, "formatter_class": kept}
        super().__init__(**{**defaults, **kwargs})

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's, but nothing may be empty: a path would be here."""
        for word in args or ():
            name, sign, value = word.partition("=")
            valueless = name.startswith("--") and sign and not value
            if not word or valueless:
                self.error(f"an argument is empty: {word or repr(word)}")
        return super().parse_known_args(args, namespace)

    def error(self, message):
        """End the program.

        Arguments
        ---------
        message : str
            What is wrong.
        """
        said = printable(f"{message} (see {self.prog} --help)")
        self.exit(1, f"error: {said}\n")


def did_you_mean(name, known, count=3):
    """A short list of the known names nearest to a mistyped one.

    Arguments
    ---------
    name : str
        What was asked for.
    known : iterable of str
        What exists.
    count : int
        How many to list at most.

    Returns
    -------
    str
        A sentence that starts with a blank, or an empty string.

    Example
    -------
    >>> did_you_mean("epoch", ["epochs", "seed", "lr"])
    ' Did you mean epochs?'
    """
    near = difflib.get_close_matches(name, list(known), count, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def check_choice(name, value, choices):
    """Refuse what is none of the choices.

    Arguments
    ---------
    name : str
        Of an argument or option.
    value : object
        What was chosen.
    choices : iterable
        What exists.

    Example
    -------
    >>> check_choice("mode", "any", ["all", "cls"])
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: mode='any' is not one of all, cls.
    """
    choices = list(choices)
    if value not in choices:
        words = [str(choice) for choice in choices]
        raise InputError(
            f"{name}={value!r} is not one of {', '.join(words)}."
            + did_you_mean(str(value), words)
        )


def check_arguments(factory, *args, key, **kwargs):
    """Refuse to call what cannot take these arguments.

    Arguments
    ---------
    factory : callable
        A class, a function, or a ``functools.partial`` of one, as ``!name:``
        makes it.
    *args : tuple
        What it is about to be called with.
    key : str
        Of the yaml, where the user has named it.
    **kwargs : dict
        What it is about to be called with.

    Example
    -------
    >>> check_arguments(partial(round, digits=2), 0.5, key="rounding")
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: rounding: round got an unexpected keyword argument 'digits'
    """
    while isinstance(factory, partial):
        args = (*factory.args, *args)
        kwargs = {**factory.keywords, **kwargs}
        factory = factory.func
    try:
        inspect.signature(factory).bind(*args, **kwargs)
    except TypeError as error:
        raise InputError(f"{key}: {factory.__name__} {error}")


def check_count(name, count, most=None):
    """Refuse what is no number of things.

    Arguments
    ---------
    name : str
        Where it stands.
    count : object
        The value.
    most : int, optional
        How many there may be.

    Example
    -------
    >>> check_count("epochs", 0)
    Traceback (most recent call last):
    speechbrain_petl.errors.InputError: epochs=0: give a whole number, 1 or more
    """
    if type(count) is not int or count < 1:
        raise InputError(f"{name}={count}: give a whole number, 1 or more")
    if most is not None and count > most:
        raise InputError(f"{name}={count}: give at most {most}")


def printable(text, kept=""):
    """Text that comes from data, in which nothing commands a terminal.

    Arguments
    ---------
    text : object
        A label, the name of a file, a message that has one in it.
    kept : str
        What may stay, such as line ends.

    Returns
    -------
    str
        The same with its control characters written out.

    Example
    -------
    >>> print(printable("dog\\x1b[2J\\n"))
    dog\\x1b[2J\\n
    """

    def _written_out(found):
        code = found.group()
        return code if code in kept else code.encode("unicode_escape").decode()

    return CONTROLS.sub(_written_out, str(text))
