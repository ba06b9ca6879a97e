"""The jobs of sweeps and searches on real recipes, without the start of Python.

A job's train.py runs as it is, with the job's words, folder and log, but in a
fork of the test, which has imported what it needs: a second instead of ten.
"""

import multiprocessing
import os
import shutil
import sys
from pathlib import Path

from method_files import ROOT
from running import load_train
from speechbrain_petl.experiments.sweep.job import Job
from speechbrain_petl.recipe.main import run_main

UNNEEDED = shutil.ignore_patterns("kept*", "results", "search", "report", "*db")


def copy_recipe(script, folder):
    """A recipe's own files, such as recipes/ESC50, in another folder."""
    source = (ROOT / script).parent
    return Path(shutil.copytree(source, folder / source.name, ignore=UNNEEDED))


def fork_jobs(monkeypatch):
    """Let the jobs of this process train in forks of it."""
    monkeypatch.setattr(Job, "_train", _train)


def _train(job, log):
    forks = multiprocessing.get_context("fork")
    job.process = forks.Process(target=_program, args=(job, log.fileno()))
    job.process.start()
    job.process.join()
    return job.process.exitcode


def _program(job, log):
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.stdout, sys.stderr = (
        open(number, "w", encoding="utf-8", buffering=1) for number in (1, 2)
    )
    os.chdir(job.cwd)
    sys.argv = job.words()[1:]
    run_main(load_train(Path(job.cwd), sys.argv[0]).main)
