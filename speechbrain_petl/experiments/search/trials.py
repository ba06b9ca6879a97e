"""A trial of a search: train.py with values of its own, rated on validation."""

import hashlib
import json
import math
import re
import sys
from pathlib import Path

from ...training.results import RESULT
from ..sweep.job import Job, JobFailed
from .study import finished, retry

FOLDER = "search"  # in the recipe's folder
ON_VALIDATION = "--brain={test_on: valid}"


class Objective:
    """Trains with a trial's values; the best validation value is its score.

    Arguments
    ---------
    recipe : pathlib.Path
        Its folder.
    command : list of str
        ``train.py``, the method file and what all trials have in common.
    ranges : list of ranges.Range
        What a trial chooses from.
    study : optuna.Study
        The study.
    asked : dict
        As for ``open_study``.
    """

    def __init__(self, recipe, command, ranges, study, asked):
        self.recipe, self.command, self.asked = recipe, command, asked
        self.ranges, self.study = ranges, study

    def __call__(self, trial):
        """The score of a trial, or ``JobFailed``."""
        values = {one.key: one.suggest(trial) for one in self.ranges}
        for other in finished(self.study):
            if other.params == trial.params and other.value is not None:
                return other.value
        job = self._job(values)
        try:
            job()
            result = json.loads(job.result.read_text(encoding="utf-8"))
            score, name = _best(result), result["select"]
        except JobFailed as error:
            lines = "\n".join(job.last_lines())
            trial.set_user_attr("failed", f"{error}\n{lines}")
            raise
        except KeyboardInterrupt:  # let the next process go on with it
            retry()(self.study, self.study.trials[trial.number])
            raise
        trial.set_user_attr("metric", name)
        return score

    def _job(self, values):
        """The run of a trial, named by its command and what the yaml files say.

        What stands there is of these values, whichever study has begun it.
        """
        chosen = [f"--{key}={value}" for key, value in values.items()]
        words = [*self.command, *chosen, ON_VALIDATION]
        said = json.dumps([words, self.asked], sort_keys=True)
        digest = hashlib.sha256(said.encode()).hexdigest()[:8]
        shown = re.sub(r"[^\w.,=+-]", "-", "_".join(chosen).replace("--", ""))
        folder = Path(FOLDER, self.study.study_name, f"{shown[:80]}_{digest}")
        command = [sys.executable, *words]
        command += [f"--output_folder={folder}", "--noprogressbar"]
        folder = self.recipe / folder
        return Job(command, self.recipe, folder, folder / RESULT)


def _best(result):
    """The best validation value of a run, or ``JobFailed``."""
    name = result["select"]
    if name is None:
        raise JobFailed(
            "the run selects no epoch, so its validation is no score"
        )
    values = (epoch["valid"][name] for epoch in result["history"])
    scores = [value for value in values if math.isfinite(value)]
    if not scores:
        raise JobFailed(f"{name} on validation is no number in any epoch")
    return max(scores)
