"""Processes that a test starts: one torch.distributed group, or one to kill.

They come from a server that has imported the package and computed nothing: a
fork of the test's own process could not run a backward pass once another test
has compiled something.
"""

import multiprocessing
import os
import socket

import torch

from speechbrain.utils.distributed import ddp_init_group

PROCESSES = 2


def start(target, *args):
    """A process that runs target(*args), both of which can be pickled."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed", "toy", "processes"])
    process = context.Process(target=target, args=args)
    process.start()
    return process


def in_processes(function, folder, count=PROCESSES):
    """Run function(folder, rank) in processes as torchrun makes them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    processes = [
        start(_join_group, function, folder, rank, count, port)
        for rank in range(count)
    ]
    for process in processes:
        process.join(100)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0] * count, codes


def _join_group(function, folder, rank, count, port):
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(count),
        MASTER_ADDR="localhost",
        MASTER_PORT=port,
    )
    ddp_init_group({"distributed_backend": "gloo"})
    function(folder, rank)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
