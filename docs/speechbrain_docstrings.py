"""SpeechBrain's headings of docstrings, by the names that mkdocstrings knows."""

import griffe

HEADINGS = {"Arguments\n---------": "Parameters\n----------"}
HEADINGS["Example\n-------"] = "Examples\n--------"


class SpeechBrainDocstrings(griffe.Extension):
    """Reads ``Arguments`` as ``Parameters`` and ``Example`` as ``Examples``."""

    def on_instance(self, *, obj, **kwargs):
        """Rename the headings of an object's docstring.

        Arguments
        ---------
        obj : griffe.Object
            A module, class or function.
        **kwargs : dict
            Not used.
        """
        if obj.docstring:
            for ours, theirs in HEADINGS.items():
                obj.docstring.value = obj.docstring.value.replace(ours, theirs)
