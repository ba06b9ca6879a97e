"""Puts the template, of which there is one copy, into the wheel: see new.py.

And the README into its metadata, as an index shows it, where no file is beside it.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class _WithTemplate(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:
            shutil.copytree(
                Path("templates", "audio_classification"),
                Path(self.build_lib, "speechbrain_petl", "template"),
                ignore=shutil.ignore_patterns(
                    "results", "search", "report", "__pycache__", ".*"
                ),
                dirs_exist_ok=True,
            )


def _for_an_index():
    """README.md with absolute addresses, or without links where none is known."""
    text = Path("README.md").read_text(encoding="utf-8")
    project = Path("pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "(.+?)/?"$', project, flags=re.M)
    images, links = "", r"\1"
    if found:
        images = rf"![\1]({found[1]}/raw/main/\2)"
        links = rf"[\1]({found[1]}/blob/main/\2)"
    local = r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)"
    text = re.sub("!" + local, images, text)
    return re.sub(local, links, text)


setup(
    cmdclass={"build_py": _WithTemplate},
    long_description=_for_an_index(),
    long_description_content_type="text/markdown",
)
