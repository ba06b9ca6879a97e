"""How a sweep and its jobs end: signals, trees of processes, exit codes.

Only the standard library at the top, see ``job.py``.
"""

import signal
import subprocess
from contextlib import contextmanager, suppress

PATIENCE = 20  # seconds that train.py has to end after SIGTERM


def signal_once(number):
    """Let the first signal raise KeyboardInterrupt, and no later one.

    Arguments
    ---------
    number : signal.Signals
        SIGINT or SIGTERM.
    """

    def _first(signum, frame):
        signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(number, _first)


@contextmanager
def stopped_once():
    """Let the first Ctrl-C or kill of a block raise KeyboardInterrupt.

    Yields
    ------
    None
    """
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.getsignal(number) for number in numbers]
    for number in numbers:
        signal_once(number)
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def end_tree(process):
    """End a process and all that it has started, as torchrun does.

    Arguments
    ---------
    process : subprocess.Popen
        Nothing is done if it has ended by itself.
    """
    import psutil

    if process.poll() is not None:
        return
    tree = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    _, alive = psutil.wait_procs(tree, timeout=1)
    process.kill()  # does nothing to one that has ended
    for one in alive:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
