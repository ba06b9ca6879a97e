"""Processes of one torch.distributed group, as torchrun makes them."""

import multiprocessing
import os
import socket

import torch

from speechbrain.utils.distributed import ddp_init_group

PROCESSES = 2


def in_processes(function, folder, count=PROCESSES):
    """Run function(folder / rank) in forks that torchrun could have made."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])

    def start(rank):
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

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=start, args=(r,)) for r in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0] * count, codes
