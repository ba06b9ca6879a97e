"""A whole search: checked, run until the study has enough, and reported."""

import json
import shlex
import time
from pathlib import Path
from textwrap import indent

from tqdm import tqdm

from ...errors import InputError
from ...recipe.command_line import OPTIONS, joined
from ...recipe.comparing import MAY_CHANGE, plain_settings
from ...recipe.parsing import NEEDED, check_recipe
from ...recipe.settings import CHANGE_THE_RESULT
from ..sweep.cells import working_in
from ..sweep.job import JobFailed
from .ranges import parse_range
from .study import finished, open_study, running
from .trials import Objective

POLL = 1.0  # seconds between looks at the trials of other processes


def search(options, others):
    """Run the trials that a study still lacks, and print the best.

    Arguments
    ---------
    options : argparse.Namespace
        As ``command`` parses them.
    others : list of str
        Options of train.py.
    """
    path, others = Path(options.method).absolute(), joined(others)
    recipe = next(
        (p for p in path.parents if (p / options.script).is_file()), 0
    )
    if not recipe:
        raise InputError(f"{path}: there is no {options.script} above it")
    method = str(path.relative_to(recipe))
    ranges = [parse_range(text) for text in options.range]
    asked = plain_settings(_check(recipe, method, others, ranges))
    asked = json.loads(json.dumps(asked, default=str))  # as the study keeps it
    free = MAY_CHANGE | OPTIONS.keys() - set(CHANGE_THE_RESULT)
    common = [o for o in others if o[2:].partition("=")[0] not in free]
    settings = [method, *sorted(common), *sorted(options.range)]
    name = options.name or f"{recipe.name}-{path.stem}"
    study = open_study(options.study, name, settings, ranges, asked)
    command = [options.script, method, *others]
    objective = Objective(recipe, command, ranges, study, asked)
    try:
        _optimize(study, objective, options.trials)
    except KeyboardInterrupt:
        print(f"{len(finished(study))} of {options.trials} trials are done.")
        raise
    _report(study, recipe, command)


def _check(recipe, method, others, ranges):
    """Ask train.py's parser about all that the search may ask of train.py.

    Returns the settings that its trials have, but for what they choose.
    """
    given = {o.partition("=")[0] for o in others}
    with working_in(recipe):
        settings = check_recipe([method, *others])[-1]
        for one in ranges:
            if f"--{one.key}" in given or one.key in NEEDED:
                raise InputError(
                    f"--range {one.key}=...: --{one.key} is given or the "
                    "search's own; leave one out"
                )
            given.add(f"--{one.key}")
            for value in one.ends:
                check_recipe([method, *others, f"--{one.key}={value}"])
    return settings


def _optimize(study, objective, trials):
    """Run trials until the study, other processes included, has enough."""
    done = len(finished(study))
    with tqdm(total=trials, initial=min(done, trials), unit="trial") as bar:

        def _tell(study, trial):
            scores = [t.value for t in finished(study) if t.value is not None]
            bar.set_postfix_str(f"best {max(scores):.4f}" if scores else "")
            if "failed" in trial.user_attrs:
                bar.write(f"trial {trial.number} failed: {trial.params}")
                bar.write(indent(trial.user_attrs["failed"], "    "))

        while done < trials:
            if done + len(running(study)) < trials:
                study.optimize(objective, 1, callbacks=[_tell], catch=JobFailed)
            else:
                bar.set_postfix_str("waiting for the last of other processes")
                time.sleep(POLL)
            done = len(finished(study))
            bar.n = min(done, trials)
            bar.refresh()


def _report(study, recipe, command):
    """Print the best values as a command line."""
    trials = finished(study)
    scored = [t for t in trials if t.value is not None]
    if not scored:
        raise InputError(f"all {len(trials)} trials failed, see above")
    best = max(scored, key=lambda t: t.value)
    print(
        f"Best of {len(trials)} trials ({len(trials) - len(scored)} failed): "
        f"trial {best.number}, {best.user_attrs.get('metric', 'score')} "
        f"{best.value:.4f} on validation. To train and test with it:"
    )
    values = [f"--{key}={value}" for key, value in best.params.items()]
    words = ["python", *command, *values]
    print(f"cd {shlex.quote(str(recipe))} && {shlex.join(words)}")
