"""A recipe: from its command line to the folder of its run.

``main`` calls the script, ``parsing`` puts ``base.yaml``, a method file and
the command line together (``method_files``, ``command_line``), ``settings``
are what a run is continued with, ``experiment`` is its folder, ``locks`` keep
others out of it, and ``moved`` has the names of earlier versions.
"""
