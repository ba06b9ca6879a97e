"""What prepare.py has warned of, for the result.json: clips that are left out,
recordings in two splits, figures that no published one compares with.
"""

import logging

PREPARE = ("prepare", "segments", "twelve", "speechbrain_petl.data")


class Notes(logging.Handler):
    """Keeps the warnings of some loggers, each once.

    Example
    -------
    >>> notes = Notes()
    >>> notes.listen()
    >>> logging.getLogger("prepare").warning("2 clips are left out")
    >>> notes.texts
    ['2 clips are left out']
    """

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def listen(self):
        """Begin anew: a recipe starts."""
        self.texts.clear()
        for name in PREPARE:
            logging.getLogger(name).addHandler(self)

    def emit(self, record):
        """Keep a message.

        Arguments
        ---------
        record : logging.LogRecord
            Of a warning.
        """
        text = record.getMessage()
        if text not in self.texts:
            self.texts.append(text)


NOTES = Notes()  # of the recipe that this process runs
