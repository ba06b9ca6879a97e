"""The trials of a search: an Optuna study whose objective is train.py."""

import hashlib
import json
import math
import re
import shlex
import sys
import time
import warnings
from pathlib import Path

from ...errors import InputError
from ...training.results import RESULT
from ..sweep.job import Job, JobFailed

FOLDER = "search"  # in the recipe's folder
ON_VALIDATION = "--brain={test_on: valid}"
HEARTBEAT, DEAD_AFTER = 15, 45  # seconds: then another process takes over
ATTEMPTS = 5  # to open the data base


def open_study(url, name, settings, ranges, asked=None):
    """A study that other processes may share.

    Where every range is a list of values, no combination of them is tried
    twice before all were; otherwise Optuna's default sampler draws.

    Arguments
    ---------
    url : str
        Of the data base.
    name : str
        Of the study.
    settings : list of str
        What its trials have in common.
    ranges : list of ranges.Range
        What they choose from.
    asked : dict, optional
        What the yaml files say, as ``plain_settings`` returns it.

    Returns
    -------
    optuna.Study
        A new one, or the one that is there if it has the same settings.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("the search needs Optuna: pip install 'optuna>=4.9'")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    from optuna.exceptions import ExperimentalWarning
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    kind, sign, path = url.partition(":///")
    if kind == "sqlite" and path:  # also for its connections to come
        url = f"{kind}{sign}{Path(path).absolute()}"
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    for attempt in range(ATTEMPTS):
        try:
            study = _create(url, name, ranges)
            break
        except (SQLAlchemyError, ImportError, RuntimeError) as error:
            # two processes that make the data base get in each other's way
            if attempt == ATTEMPTS - 1 or not isinstance(error, DBAPIError):
                reason = str(error).splitlines()[0]
                raise InputError(f"--study={url} cannot be opened: {reason}")
            time.sleep(0.5)
    had = study.user_attrs.get("settings", settings)
    if had != settings:
        raise InputError(
            f"--study={url}: {name!r} was made with {shlex.join(had)}, not "
            f"with {shlex.join(settings)}: give another --name"
        )
    was = study.user_attrs.get("asked") or asked
    if was != asked:
        keys = sorted(k for k in was | asked if was.get(k) != asked.get(k))
        raise InputError(
            f"--study={url}: {name!r} was made before {settings[0]} or its "
            f"base.yaml changed ({', '.join(keys)}): give another --name, or "
            "undo the change"
        )
    study.set_user_attr("settings", settings)
    study.set_user_attr("asked", asked)
    return study


def _create(url, name, ranges):
    import optuna

    sampler = None
    if all(one.choices for one in ranges):
        grid = {one.key: one.choices for one in ranges}
        sampler = optuna.samplers.GridSampler(grid, seed=0)

    storage = optuna.storages.RDBStorage(
        url,
        heartbeat_interval=HEARTBEAT,
        grace_period=DEAD_AFTER,
        heartbeat_stale_trial_callback=_retry(),
    )
    return optuna.create_study(
        storage=storage,
        study_name=name,
        sampler=sampler,
        direction="maximize",
        load_if_exists=True,
    )


def _retry():
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    return RetryHeartbeatStaleTrialCallback()


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
            _retry()(self.study, self.study.trials[trial.number])
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


def finished(study):
    """The trials that came to an end of their own.

    Arguments
    ---------
    study : optuna.Study
        The study.

    Returns
    -------
    list of optuna.trial.FrozenTrial
        Complete or failed, but not those whose process was killed.
    """
    return [
        trial
        for trial in study.trials
        if trial.value is not None or "failed" in trial.user_attrs
    ]


def running(study):
    """The trials that other processes are at; argument as for ``finished``.

    Returns
    -------
    list of optuna.trial.FrozenTrial
        Without those whose process was killed, which are to be run again.
    """
    import optuna

    optuna.storages.fail_stale_trials(study)
    return study.get_trials(states=[optuna.trial.TrialState.RUNNING])
