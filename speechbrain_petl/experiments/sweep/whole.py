"""A whole sweep: its cells planned and checked, then run where there is room."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...recipe.command_line import joined
from .axes import axes_of, method_names
from .cells import HPARAMS, fold_count, plan, working_in
from .encoders import choices
from .local import LocalPool
from .progress import report, run_all
from .requeued import OF_A_NODE

SUBMITIT = Path("results", ".sweep")  # in the recipe's folder


def sweep(options, others):
    """Run what is open of a sweep, and end the program as it ended.

    Arguments
    ---------
    options : argparse.Namespace
        As ``command`` parses them.
    others : list of str
        Options of train.py.
    """
    if not Path(options.recipe).is_dir():
        raise InputError(f"there is no folder {options.recipe}")
    others = joined(others)
    with working_in(options.recipe):
        cells = _cells_of(options, others)
        pool = _pool_of(options, "--device=cpu" in others)
        jobs = [_job_of(cell, options.script, pool) for cell in cells]
        if options.dry_run:
            return _dry_run(cells, jobs, options.script)
        for job in jobs if options.retry else ():
            job.forget_failure()
        try:
            run_all(pool, jobs)
        except KeyboardInterrupt:
            done = sum(job.state() == "done" for job in jobs)
            print(f"{done} of {len(jobs)} runs are done.")
            raise
    sys.exit(1 if report(cells, jobs) else 0)


def _cells_of(options, others):
    """The cells of a command line, checked before any starts."""
    for path in (options.script, HPARAMS):
        if not Path(path).exists():
            raise InputError(f"{options.recipe} is no recipe: it has no {path}")
    device = []  # on Slurm it is the node's: only train.py can check it
    if options.executor == "slurm":
        device = [o for o in others if o.startswith("--device=")]
        others = [o for o in others if o not in device]
    if options.encoders:
        given = options.encoders, options.methods, others
        methods, others = choices(HPARAMS, *given)
    else:
        names = method_names(HPARAMS, options.methods)
        methods = [(name, (), ()) for name in names]
    first, own, _ = methods[0]
    count = fold_count(first, [*others, *own]) if options.folds else None
    axes = axes_of(options.folds, options.seeds, options.shots, count)
    return [
        replace(cell, arguments=(*cell.arguments, *device))
        for cell in plan(methods, axes, others)
    ]


def _pool_of(options, on_cpu):
    """Where the jobs are to run; ``on_cpu`` if train.py leaves GPUs alone."""
    if options.executor == "local":
        return LocalPool(options.jobs or 1, options.gpus, on_cpu)
    try:
        from .slurm import SlurmPool
    except ImportError as error:
        raise InputError(
            f"--executor=slurm: {error}: pip install speechbrain_petl[slurm]"
        )

    more = dict(item.partition("=")[::2] for item in options.slurm)
    if options.partition:
        more["partition"] = options.partition
    if options.cpus:
        more["cpus_per_task"] = options.cpus
    folder = SUBMITIT.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    jobs = options.jobs or 100
    size = options.gpus, options.nodes
    return SlurmPool(folder, jobs, options.time, *size, **more)


def _job_of(cell, script, pool):
    command = [sys.executable]
    if pool.gpus > 1 or pool.nodes > 1:
        command += ["-m", "torch.distributed.run"]
        several = [f"--nnodes={pool.nodes}", *OF_A_NODE]
        command += several if pool.nodes > 1 else ["--standalone"]
        command += [f"--nproc_per_node={pool.gpus or 1}"]
    command += [script, *cell.arguments, "--noprogressbar"]
    return pool.job_class(command, Path.cwd(), cell.folder, cell.result)


def _dry_run(cells, jobs, script):
    """Print the commands, and what became of them so far."""
    for cell, job in zip(cells, jobs):
        words = ["python", script, *cell.arguments]
        print(f"{shlex.join(words)}  # {job.state()}")
