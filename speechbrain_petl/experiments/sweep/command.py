"""One command runs methods x folds x seeds (x shots) of a recipe.

``sbpetl sweep recipes/ESC50 --methods lora,conformer --folds all --seeds 3
--data_folder=...``, on this machine or on Slurm. The same command goes on where
the last one was stopped.
"""

import argparse
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ...errors import ArgumentParser, InputError
from .axes import fold_numbers, method_names, seed_numbers, shot_numbers
from .cells import HPARAMS, fold_count, plan, working_in
from .jobs import LOG, Job, stopped_once
from .pools import LocalPool, SlurmPool, visible_gpus

SUBMITIT = Path("results", ".sweep")  # in the recipe's folder
IN_FULL = 3  # failed runs whose last lines are all shown
STOPPED = 130  # exit code after Ctrl-C, as a shell's


def parse(argv):
    """The sweep's own options, and those of train.py.

    Arguments
    ---------
    argv : list of str
        The command line.

    Returns
    -------
    options : argparse.Namespace
        The sweep's.
    others : list of str
        train.py's.

    Example
    -------
    >>> options, others = parse(["recipes/ESC50", "--seeds=2", "--lr=0.1"])
    >>> options.seeds, others
    ('2', ['--lr=0.1'])
    """
    parser = ArgumentParser(
        prog="sbpetl sweep",
        description="Run methods x folds x seeds (x shots) of a recipe. "
        "Finished runs are skipped, killed ones go on. All other options are "
        "train.py's, and paths in them relative to the recipe's folder.",
    )
    add = parser.add_argument
    add("recipe", help="the folder of train.py and hparams")
    add("--methods", default="all", help="such as lora,conformer; or all")
    add("--folds", help="such as 1,3; or all")
    add("--seeds", help="how many, from 1 on; or such as 4,7")
    add("--shots", help="training clips a class, such as 1,5,null")
    add("--script", default="train.py", help="if not train.py")
    add("--retry", action="store_true", help="run again what has failed")
    add("--dry_run", action="store_true", help="only print the commands")
    add("--executor", choices=["local", "slurm"], default="local")
    add("--jobs", type=_positive, help="at a time: 1, or 100 on Slurm")
    add("--gpus", type=int, help="for each run; with 2 or more, torchrun")
    add("--partition", help="of Slurm")
    add("--time", type=_positive, default=1440, help="minutes, on Slurm")
    add("--cpus", type=_positive, help="for each run, on Slurm")
    add(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another option of sbatch, such as account=me; may be repeated",
    )
    return parser.parse_known_args(argv)


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def cells_of(options, others):
    """The cells that a command line stands for, checked before any starts.

    To be called in the recipe's folder.

    Arguments
    ---------
    options : argparse.Namespace
        As ``parse`` returns them.
    others : list of str
        train.py's options.

    Returns
    -------
    list of cells.Cell
        All of them.
    """
    for path in (options.script, HPARAMS):
        if not Path(path).exists():
            raise InputError(f"{options.recipe} is no recipe: it has no {path}")
    device = []  # on Slurm it is the node's: only train.py can check it
    if options.executor == "slurm":
        device = [o for o in others if o.startswith("--device=")]
        others = [o for o in others if o not in device]
    methods = method_names(HPARAMS, options.methods)
    axes = {}
    if options.folds:
        count = fold_count(methods[0], others)
        axes["fold"] = fold_numbers(options.folds, count)
    if options.seeds:
        axes["seed"] = seed_numbers(options.seeds)
    if options.shots:
        axes["shots"] = shot_numbers(options.shots)
    return [
        replace(cell, arguments=(*cell.arguments, *device))
        for cell in plan(methods, axes, others)
    ]


def pool_of(options, others, folder):
    """Where the jobs are to run.

    Arguments
    ---------
    options : argparse.Namespace
        As ``parse`` returns them.
    others : list of str
        train.py's options.
    folder : pathlib.Path
        For submitit's files.

    Returns
    -------
    pools.LocalPool or pools.SlurmPool
        The pool.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if options.executor == "local":
        there = len(visible_gpus())
        if (options.gpus or 0) > there and "--device=cpu" not in others:
            raise InputError(
                f"--gpus={options.gpus}: this machine has {there}; add "
                "--device=cpu for as many processes on the CPU"
            )
        return LocalPool(folder, options.jobs or 1, options.gpus)
    more = dict(item.partition("=")[::2] for item in options.slurm)
    if options.partition:
        more["partition"] = options.partition
    if options.cpus:
        more["cpus_per_task"] = options.cpus
    jobs = options.jobs or 100
    return SlurmPool(folder, jobs, options.time, options.gpus, **more)


def run_of(cell, options, gpus):
    """The job of a cell.

    Arguments
    ---------
    cell : cells.Cell
        What to run.
    options : argparse.Namespace
        As ``parse`` returns them.
    gpus : int
        For the run.

    Returns
    -------
    jobs.Job
        The job.
    """
    command = [sys.executable]
    if gpus > 1:
        command += ["-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc_per_node={gpus}"]
    command += [options.script, *cell.arguments, "--noprogressbar"]
    return Job(command, Path.cwd(), cell.folder, cell.result)


def run_all(pool, runs):
    """Run what is open, and tell how far it is.

    Arguments
    ---------
    pool : pools.LocalPool or pools.SlurmPool
        Where.
    runs : list of jobs.Job
        All of the sweep.
    """
    states = [run.state() for run in runs]
    left = [r for r, state in zip(runs, states) if state == "open"]
    done, failed, running = states.count("done"), states.count("failed"), {}
    bar = tqdm(total=len(runs), initial=done, unit="run", dynamic_ncols=True)
    with bar:
        try:
            while left or running:
                for job in pool.submit(left) if left else ():
                    running[job] = left.pop(0)
                now = sum(map(pool.is_running, running))
                waits = len(left) + len(running) - now
                tell(bar, now, failed, waits)
                time.sleep(pool.poll_seconds)
                for job in [job for job in running if job.done()]:
                    is_done = running.pop(job).state() == "done"
                    pool.release(job)
                    bar.update(is_done)
                    failed += not is_done
        except KeyboardInterrupt:
            pool.stop(running)
            raise
        tell(bar, 0, failed, 0)


def tell(bar, running, failed, left):
    """Write what the bar does not show beside it.

    Arguments
    ---------
    bar : tqdm.tqdm
        Counts what is done.
    running : int
        How many runs are.
    failed : int
        How many have.
    left : int
        How many wait.
    """
    text = f"{running} running, {failed} failed, {left} left"
    if text != bar.postfix or sys.stderr.isatty():  # a file needs no clock
        bar.set_postfix_str(text)


def report(cells, runs):
    """Say what is done, and how what failed has ended.

    Arguments
    ---------
    cells : list of cells.Cell
        Of the sweep.
    runs : list of jobs.Job
        Their jobs.

    Returns
    -------
    int
        How many runs are not done.
    """
    lacking = [(c, r) for c, r in zip(cells, runs) if r.state() != "done"]
    done = len(runs) - len(lacking)
    print(f"{done} of {len(runs)} runs are done, {len(lacking)} failed.")
    for number, (cell, run) in enumerate(lacking):
        print(f"\n{cell.name}: {run.reason()}. The end of {run.folder / LOG}:")
        lines = run.last_lines()
        for line in lines if number < IN_FULL else lines[-1:]:
            print(f"    {line}")
    if lacking:
        print("\nTo run these again: the same command with --retry")
    return len(lacking)


@stopped_once()
def main(argv):
    """The command line of this module.

    Arguments
    ---------
    argv : list of str
        See ``--help``.
    """
    options, others = parse(argv)
    if not Path(options.recipe).is_dir():
        raise InputError(f"there is no folder {options.recipe}")
    with working_in(options.recipe):
        cells = cells_of(options, others)
        pool = pool_of(options, others, SUBMITIT.absolute())
        runs = [run_of(cell, options, pool.gpus) for cell in cells]
        if options.dry_run:
            for cell, run in zip(cells, runs):
                words = ["python", options.script, *cell.arguments]
                print(f"{shlex.join(words)}  # {run.state()}")
            return
        for run in runs if options.retry else ():
            run.forget_failure()
        try:
            run_all(pool, runs)
        except KeyboardInterrupt:
            done = sum(run.state() == "done" for run in runs)
            print(f"Stopped: {done} of {len(runs)} runs are done.")
            print("To go on: the same command again")
            sys.exit(STOPPED)
    sys.exit(1 if report(cells, runs) else 0)
