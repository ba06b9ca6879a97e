"""Puts the template, of which there is one copy, into the wheel: see new.py."""

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
                ignore=shutil.ignore_patterns("results", "__pycache__", ".*"),
                dirs_exist_ok=True,
            )


setup(cmdclass={"build_py": _WithTemplate})
