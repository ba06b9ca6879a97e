"""Every method in two processes, without find_unused_parameters."""

import os

import torch
from adapter_methods import METHODS, tiny_ast
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel


def train(rank, folder):
    """Two steps of every method; each process has clips of its own."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    for name, method in METHODS.items():
        adapted = method.adapt(tiny_ast()).train()
        parallel = DistributedDataParallel(adapted)
        trained = [p for p in adapted.parameters() if p.requires_grad]
        optimiser = torch.optim.SGD(trained, lr=0.1)
        torch.manual_seed(rank)
        for _ in range(2):
            optimiser.zero_grad()
            parallel(torch.randn(2, 64, 128)).square().mean().backward()
            optimiser.step()
        for parameter in trained:
            other = parameter.detach().clone()
            distributed.broadcast(other, src=0)
            assert torch.equal(parameter, other), f"{name} drifts apart"
    (folder / f"done{rank}").touch()
    distributed.destroy_process_group()


def test_two_processes_learn_the_same_weights(tmp_path):
    """A parameter without a gradient would raise in the second step."""
    multiprocessing.spawn(train, args=(tmp_path,), nprocs=2)
    assert all((tmp_path / f"done{rank}").exists() for rank in range(2))
