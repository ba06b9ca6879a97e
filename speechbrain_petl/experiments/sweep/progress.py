"""How far a sweep is: runs what is open, and says how it ended."""

import sys
import time

from tqdm import tqdm

from ...errors import printable
from .job import LOG

IN_FULL = 3  # failed runs whose last lines are all shown


def run_all(pool, jobs):
    """Run what is open, and _tell how far it is.

    Arguments
    ---------
    pool : LocalPool or SlurmPool
        Where.
    jobs : list of Job
        All of the sweep.
    """
    states = [job.state() for job in jobs]
    left = [job for job, state in zip(jobs, states) if state == "open"]
    done, failed, running = states.count("done"), states.count("failed"), {}
    bar = tqdm(total=len(jobs), initial=done, unit="run", dynamic_ncols=True)
    with bar:
        try:
            while left or running:
                for started in pool.submit(left) if left else ():
                    running[started] = left.pop(0)
                now = sum(map(pool.is_running, running))
                waits = len(left) + len(running) - now
                _tell(bar, now, failed, waits)
                time.sleep(pool.poll_seconds)
                for ended in [one for one in running if one.done()]:
                    is_done = running.pop(ended).state() == "done"
                    pool.release(ended)
                    bar.update(is_done)
                    failed += not is_done
        except KeyboardInterrupt:
            pool.stop(running)
            raise
        _tell(bar, 0, failed, 0)


def _tell(bar, running, failed, left):
    """Write what the bar does not show beside it."""
    text = f"{running} running, {failed} failed, {left} left"
    if text != bar.postfix or sys.stderr.isatty():  # a file needs no clock
        bar.set_postfix_str(text)


def report(cells, jobs):
    """Say what is done, and how what failed has ended.

    Arguments
    ---------
    cells, jobs : list of cells.Cell, list of Job
        Of the sweep.

    Returns
    -------
    int
        How many runs are not done.
    """
    lacking = [pair for pair in zip(cells, jobs) if pair[1].state() != "done"]
    done = len(jobs) - len(lacking)
    print(f"{done} of {len(jobs)} runs are done, {len(lacking)} failed.")
    for number, (cell, job) in enumerate(lacking):
        print(f"\n{cell.name}: {job.reason()}. The end of {job.folder / LOG}:")
        lines = job.last_lines()
        for line in lines if number < IN_FULL else lines[-1:]:
            print(f"    {printable(line)}")
    if lacking:
        print("\nTo run these again: the same command with --retry")
    return len(lacking)
