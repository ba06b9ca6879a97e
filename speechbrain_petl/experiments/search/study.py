"""The Optuna study of a search, which processes share, and its trials."""

import shlex
import time
import warnings
from pathlib import Path

from ...errors import InputError
from ...recipe.comparing import changed_keys

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
    keys = changed_keys(was, asked) if was else ()
    if keys:
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
        heartbeat_stale_trial_callback=retry(),
    )
    return optuna.create_study(
        storage=storage,
        study_name=name,
        sampler=sampler,
        direction="maximize",
        load_if_exists=True,
    )


def retry():
    """What puts a trial whose process was killed up again (callable)."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    return RetryHeartbeatStaleTrialCallback()


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
